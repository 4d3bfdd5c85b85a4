"""What goes wrong on a network: brokers that come late, or are none; a flood of frames. The board
goes on by itself, and loses nothing. Killed brokers and pulled cables: test_board_weather.py.
"""

import contextlib
import socket
import time
from array import array
from itertools import pairwise
from random import Random

import pytest
from board_site import Gateway, Site, free_port, stack, symbol

from atoll.cli.board_runs import BoardRuns
from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.gateway.progress import place_of
from atoll.kernels import Plan
from atoll.wire import messages as m
from atoll.wire.identity import Identity, encode_identity

pytestmark = [pytest.mark.emulator, pytest.mark.broker]

BOARDS = ["lm3s6965evb", "mps2-an385"]
RATE, EVERY = 500.0, 640
PLAN = Plan("window 128 | rms | moments")


@pytest.fixture
def broker(tmp_path):
    """Mosquitto, which a test may kill and start again on its port."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    # No port that another test's broker would take while this one is down.
    child = BrokerChild(tmp_path / "broker", kind="mosquitto", port=free_port())
    child.start()
    yield child
    child.stop()


@pytest.fixture
def start(emulate, firmware, tmp_path):
    """Start a board that knows `broker` (ADDRESS:PORT), and samples counters at a low rate."""
    random = Random(2)
    samples = array("h", (random.randrange(-9000, 9000) for _ in range(200_000)))
    (tmp_path / "samples").write_bytes(samples.tobytes())

    def start(board, where, **options):
        who = Identity("lab", board, "bench", "vibration", "adc", "g", RATE, broker=where)
        (tmp_path / "identity").write_bytes(encode_identity(who))
        address = symbol(firmware.image(board, "emulated", "ethernet"), "atoll_identity_start")
        more = ["-device", f"loader,file={tmp_path / 'identity'},addr={address:#x},force-raw=on"]
        more += ["-semihosting-config", f"enable=on,target=native,arg={tmp_path / 'samples'}"]
        more += options.pop("more", [])
        return emulate(board, "emulated", "ethernet", more=more, **options), samples

    return start


@pytest.fixture
def gateways():
    """Play the gateway: once more behind a broker that was started anew."""
    started = []

    def play(broker, board):
        started.append(Gateway(broker.port, board))
        return started[-1]

    yield play
    for one in started:
        one.end()


def order(lab, board):
    words = PLAN.words("i16", RATE)
    program = m.Program(1, 1, 1, "hum", f"{board}/adc", EVERY, PLAN.overlap, words)
    lab.gateway.say("task", program)


def gather(lab, found, last):
    """Batches by their first sample, acknowledged, until the one of sample `last` is there."""
    while last not in found:
        message = lab.expect(m.Partials)
        for result in message.results:
            assert not result.failed, result.data
            place = place_of(result.task)
            assert found.setdefault(place["sample"], result.data) == result.data
        lab.gateway.acknowledge(message)


def check(board, found, samples):
    """No batch is missing, and each is what the plan makes of the recording."""
    assert sorted(found) == list(range(0, max(found) + 1, EVERY))

    wanted = BoardRuns(PLAN, samples, RATE, EVERY, f"{board}/adc")
    assert wanted.differing(found) == 0


@pytest.mark.parametrize("board", BOARDS)
def test_a_broker_that_comes_later(start, tmp_path, gateways, board):
    """Nobody listens there: it asks again, later and later, and joins when somebody does."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    port = free_port()
    machine, _ = start(board, f"10.0.2.2:{port}")
    machine.said(f"broker 10.0.2.2:{port}: refused", times=3)
    late = BrokerChild(tmp_path / "broker", kind="mosquitto", port=port)
    late.start()
    try:
        birth = Site(machine, gateways(late, board)).expect(m.Birth)
        assert birth.boot == 1
    finally:
        late.stop()


def test_an_address_where_nobody_is(start):
    machine, _ = start("mps2-an385", "10.0.2.77:1883")
    machine.said("broker 10.0.2.77:1883: no answer")
    assert machine.console.count("address ") == 1


def test_a_server_that_is_no_broker(start):
    """It is given up each time, and left alone in between, longer and longer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        machine, _ = start("lm3s6965evb", f"10.0.2.2:{server.getsockname()[1]}")
        server.setblocking(False)
        times, taken = [], []

        def serve():
            try:
                one, _ = server.accept()
            except BlockingIOError:
                return machine.console.count("given up") == 4
            times.append(time.monotonic())
            one.sendall(b"\xf0\0")  # no such packet
            taken.append(one)
            return False

        machine.until(serve)
        for one in taken:
            one.close()
    gaps = [late - early for early, late in pairwise(times)]
    assert min(gaps) > 0.2  # half of the first back-off, on a clock of its own
    assert gaps[2] > 0.8  # and of the third


def frames(random, count):
    """Frames of all kinds, sound, damaged and forged, for the board or for everybody."""
    board = bytes.fromhex("525400123456")
    for _ in range(count):
        head = random.choice([board, b"\xff" * 6]) + random.randbytes(6)
        kind = random.choice([b"\x08\x00", b"\x08\x06", b"\x86\xdd", random.randbytes(2)])
        body = bytearray(random.randbytes(random.choice([0, 1, 27, 28, 40, 576, 1100, 1500])))
        if kind == b"\x08\x00" and len(body) >= 40:
            body[0] = random.choice([0x45, 0x46, 0x4F])
            body[2:4] = random.choice([len(body), 20, 65535]).to_bytes(2, "big")
            body[6:8] = random.choice([b"\0\0", b"\x20\0"])
            body[9] = random.choice([1, 6, 17])
            body[12:20] = bytes([10, 0, 2, random.randrange(3, 255), 10, 0, 2, 15])
            body[10:12] = b"\0\0"
            size = 4 * (body[0] & 15)
            total = sum(int.from_bytes(body[at : at + 2], "big") for at in range(0, size, 2))
            total = (total & 0xFFFF) + (total >> 16)
            total = (total & 0xFFFF) + (total >> 16)
            body[10:12] = (total ^ 0xFFFF).to_bytes(2, "big")
        elif kind == b"\x08\x06" and len(body) >= 28:
            body[:6] = bytes.fromhex("000108000604")
            body[6:8] = random.choice([b"\0\1", b"\0\2"])
            body[24:28] = bytes([10, 0, 2, 15])
            body[14:18] = bytes([10, 0, 2, random.randrange(3, 255)])
        yield head + kind + bytes(body)


def drain(wire):
    """What goes over the hub is for us, too."""
    with contextlib.suppress(BlockingIOError):
        while wire.recv(65536, socket.MSG_DONTWAIT):
            pass


@pytest.mark.parametrize("board", BOARDS)
def test_a_flood(start, broker, gateways, firmware, board):
    """20,000 frames that it never asked for, over a hub: it loses nothing, and is not reset."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        hub = ["-net", "user", "-net", f"socket,connect=127.0.0.1:{server.getsockname()[1]}"]
        hub += ["-net", "nic"]
        machine, samples = start(board, f"10.0.2.2:{broker.port}", net=None, more=hub)
        wire, _ = server.accept()
    with wire:
        lab = Site(machine, gateways(broker, board))
        lab.expect(dict, lambda status: status["state"] == "ready")
        order(lab, board)
        found = {}
        gather(lab, found, 0)
        for number, frame in enumerate(frames(Random(5), 20_000), 1):
            wire.sendall(len(frame).to_bytes(4, "big") + frame)
            drain(wire)
            if number % 5000 == 0:
                gather(lab, found, max(found) + EVERY)
    check(board, found, samples)
    assert machine.console.count("address ") == 1
    image = firmware.image(board, "emulated", "ethernet")
    used, there = stack(machine, image)
    assert 512 < used < there * 3 // 4, used
