"""`atoll emulate`, and its bridge: microcontrollers in QEMU as members of a real site."""

import time
from array import array
from random import Random

import numpy
import pytest

from atoll.cli.emulate import reached_as
from atoll.cli.main import run
from atoll.cli.site import Child, wait_until
from atoll.gateway.broker import find_mosquitto
from atoll.gateway.client import connect
from atoll.gateway.enrolment import Enrolment
from atoll.kernels import Plan
from atoll.transport.url import parse_broker

PLAN = "window 64 | rms | quantiles 0.5 0.99 bins=64"
EVERY, RATE = 640, 3_000


def states(fleet):
    return {row["id"]: row["state"] for row in fleet.devices()}


@pytest.fixture
def boards(new_site, tmp_path):
    """Emulated boards of a started site."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    values = (Random(3).randrange(-9000, 9000) for _ in range(60_000))
    samples = array("h", values)
    numpy.save(tmp_path / "motor.npy", numpy.asarray(samples))
    new_site.start_gateway()

    def start(board, count, *more):
        words = ["emulate", "--board", board, "--count", str(count), "--id", "mcu", *more]
        words += ["--samples", str(tmp_path / "motor.npy"), "--rate", str(RATE)]
        words += ["--dataset", "vibration", "--broker", new_site.url, "--site", new_site.site]
        started.append(Child("emulate", words, tmp_path / "emulate.log"))
        return started[-1], samples

    started = []
    yield start
    for child in started:
        child.terminate()
        child.end()


@pytest.mark.emulator
@pytest.mark.site
@pytest.mark.parametrize("link", ["ethernet", "serial"])
def test_emulated_boards_are_members_of_a_site(new_site, boards, link):
    process, samples = boards("mps2-an385", 2, "--link", link)
    with new_site.connect() as fleet:
        ready = {"mcu-1": "ready", "mcu-2": "ready"}
        wait_until(lambda: states(fleet) == ready, 60, "both boards are ready")
        rows = [row for row in fleet.datasets() if row["name"] == "vibration"]
        assert rows[0]["streams"] == 2
        fleet.start("hum", PLAN, over="vibration", every=str(EVERY))
        seen = {}
        for window in fleet.watch("hum"):
            for key, shown in window["streams"].items():
                seen.setdefault(key, []).append(shown)
            if len(seen) == 2 and min(map(len, seen.values())) >= 3:
                break
        assert set(seen) == {"mcu-1/adc", "mcu-2/adc"}
        plan = Plan(PLAN)
        for key, windows in seen.items():
            first = windows[0]["sample"]
            offsets = range(len(samples) - 4 * EVERY)
            offset = next(
                at
                for at in offsets
                if plan.run(samples[at + first : at + first + EVERY]) == windows[0]["value"]
            )
            for shown in windows:
                at = offset + shown["sample"]
                assert plan.run(samples[at : at + EVERY]) == shown["value"], key
        process.terminate()
        process.end()
        assert process.process.returncode == 0
        gone = {"lost", "suspect", "dead", "out"}
        wait_until(lambda: set(states(fleet).values()) <= gone, 60, "both boards are missed")


@pytest.mark.emulator
@pytest.mark.site
@pytest.mark.parametrize("board", ["microbit", "lm3s6965evb", "pico"])
def test_a_board_comes_back_with_the_gateway_and_after_its_power(new_site, boards, board):
    process, _ = boards(board, 1)
    with new_site.connect() as fleet:
        # A Pico's first start takes its receipts, which an interpreter is slow at.
        wait_until(lambda: states(fleet) == {"mcu-1": "ready"}, 240, "the board is ready")
        process.terminate()
        process.end()
        wait_until(lambda: states(fleet) != {"mcu-1": "ready"}, 60, "the board is missed")
        boards(board, 1)
        wait_until(lambda: states(fleet) == {"mcu-1": "ready"}, 60, "the board is back")
        (row,) = fleet.devices()
        assert row["boot"] > 1


def test_where_a_board_finds_the_broker():
    assert reached_as(parse_broker("mqtt://127.0.0.1:18831")) == "10.0.2.2:18831"
    assert reached_as(parse_broker("localhost")) == "10.0.2.2:1883"
    assert reached_as(parse_broker("192.0.2.7")) == "192.0.2.7:1883"


@pytest.mark.emulator
@pytest.mark.site
def test_a_board_comes_by_its_token_into_a_site_with_passwords(new_site, tmp_path):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    enrolment = Enrolment(new_site.folder / "gateway" / "access", new_site.site)
    token = enrolment.enroll_device("mcu-1", int(time.time() * 1000))
    password = enrolment.enroll_client("alice")
    new_site.start_gateway()
    words = ["emulate", "--board", "microbit", "--id", "mcu", "--token", token]
    words += ["--broker", new_site.url, "--site", new_site.site]
    board = Child("emulate", words, tmp_path / "emulate.log")
    try:
        url = f"mqtt://alice:{password}@{new_site.url.rpartition('@')[2]}"
        with connect(url, site=new_site.site) as fleet:
            wait_until(lambda: states(fleet) == {"mcu-1": "ready"}, 60, "the board is ready")
        assert enrolment.entries()["mcu-1"].role == "device"
        assert token not in board.log.read_text()
        # The token is used up.
        again = Child("again", words, tmp_path / "again.log")
        again.end(60)
        assert again.process.returncode == 1
        assert "mcu-1 has no password: the token is refused" in again.tail()
    finally:
        board.terminate()
        board.end()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--board", "microbit", "--count", "0"], "--count: 1 to 64"),
        (["--board", "microbit", "--count", "2", "--token", "x"], "one board's, --count 1"),
        (["--board", "microbit", "--samples", "nothing.npy"], "nothing.npy: no such file"),
        (["--board", "microbit", "--broker", "http://x"], "mqtt:// or mqtts:// is wanted"),
        (["--board", "microbit", "--broker", "mqtts://x"], "boards speak plain MQTT"),
        (["--board", "microbit", "--link", "ethernet"], "microbit has no Ethernet"),
        (["--board", "lm3s6965evb", "--broker", "[::1]"], "has no IPv4 address"),
    ],
)
def test_what_cannot_be_emulated_is_one_line(words, said, capsys):
    assert run(["emulate", *words]) != 0
    errors = capsys.readouterr().err
    assert said in errors
    assert len(errors.splitlines()) == 1
