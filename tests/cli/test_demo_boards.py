"""The demonstration with microcontrollers: two boards in QEMU, one of them reset."""

import json

import pytest

from atoll.cli.demo_boards import problems
from atoll.cli.main import run
from atoll.gateway.broker import find_mosquitto

GOOD = {"id": "microbit-1", "boots": 2, "runs": 2, "partials": 6, "differing": 0, "missing": 0}


@pytest.mark.emulator
@pytest.mark.slow
@pytest.mark.site
def test_two_boards_beside_the_devices(atoll, recordings, tmp_path):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    done = atoll(
        "demo", "--emulate", "--data", recordings, "--json", TMPDIR=str(tmp_path), timeout_s=110
    )
    found = json.loads(done.stdout)
    assert [board["id"] for board in found["boards"]] == ["microbit-1", "mps2-an385-1"]
    assert problems(found["boards"]) == []
    assert all(board["partials"] >= 3 for board in found["boards"])
    assert [board["boots"] for board in found["boards"]] == [2, 1]
    assert found["lost"] == found["duplicated"] == 0


def test_missing_tools_are_named_before_anything_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["demo", "--emulate"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "apt install" in line
    assert "gcc-arm-none-eabi" in line
    assert "qemu-system-arm" in line


@pytest.mark.parametrize(
    "wrong", [{"differing": 1}, {"missing": 2}, {"boots": 1}, {"boots": 3}], ids=str
)
def test_what_is_wrong_with_a_board_is_said(wrong):
    assert problems([GOOD]) == []
    assert len(problems([GOOD | wrong])) == 1
