"""The node on emulated boards: through a bridge it joins a real broker, and a gateway that the test
plays.
"""

import pytest
from board_site import BOARDS, LINKED, Gateway, Site, jump, networked, poke, symbol

from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.wire import messages as m
from atoll.wire._native import crc32c
from atoll.wire.identity import Identity, encode_identity

pytestmark = [pytest.mark.emulator, pytest.mark.broker]

READY = {"state": "ready", "epoch": 0}


@pytest.fixture
def site(emulate, firmware, tmp_path):
    """Start a board that is named after itself."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    broker = BrokerChild(tmp_path / "broker", kind="mosquitto")
    broker.start()
    gateways = []

    def start(board, link="serial", more=(), **options):
        # A Pico's receipts cost half a minute an image: the one that other tests have, too.
        app = "emulated" if board == "pico" else "node"
        block = tmp_path / "identity"
        who = networked(Identity("lab", board, "bench"), broker.port, link)
        block.write_bytes(encode_identity(who))
        address = symbol(firmware.image(board, app, link), "atoll_identity_start")
        more = [*more, "-device", f"loader,file={block},addr={address:#x},force-raw=on"]
        gateways.append(Gateway(broker.port, board))
        machine = emulate(board, app, link, broker=broker.port, more=more, **options)
        return Site(machine, gateways[-1])

    yield start
    for gateway in gateways:
        gateway.end()
    broker.stop()


@pytest.mark.parametrize(("board", "link"), LINKED)
def test_board_joins_and_comes_back(site, board, link):
    lab = site(board, link)
    birth = lab.expect(m.Birth)
    assert (birth.boot, birth.zone, birth.message_max) == (1, "bench", 1024)
    assert lab.expect(dict, lambda status: status["state"] == "ready")["boot"] == 1
    # Tasks over stored blocks become failed results, which go through the outbox on flash.
    tasks = [m.Task("key", number, 0, 0, 9) for number in range(3)]
    lab.gateway.say("task", m.Tasks(1, 1, 1, "job", b"plan", "data", tasks))
    numbers = [lab.expect(m.Partials).number for _ in tasks]
    assert numbers == [1, 2, 3]
    lab.gateway.say("ack", m.Ack(1, 1, 1, [m.NumberSpan(1, 2)]))
    lab.expect(m.LeaseRequest, lambda request: request.backlog == 1)
    # After a reset it is another boot, and what was not acknowledged is there.
    lab.machine.order("system_reset")
    assert lab.expect(m.Birth, lambda birth: birth.boot == 2).lease == 1
    again = lab.expect(m.Partials, lambda partials: partials.boot == 2)
    assert (again.number, again.results[0].task) == (3, 2)
    lab.gateway.say("ack", m.Ack(1, 1, 1, [m.NumberSpan(3, 3)]))
    lab.expect(m.LeaseRequest, lambda request: request.backlog == 0)


@pytest.mark.parametrize("board", ["microbit", "mps2-an385", "pico"])
def test_noise_and_resets(site, board):
    """A noisy line, and a reset as soon as the device is ready: each boot is a new one."""
    lab = site(board, noise=1e-4)
    for boot in range(1, 6):
        lab.expect(dict, lambda status, boot=boot: status == {**READY, "boot": boot})
        lab.machine.order("system_reset")
    assert lab.expect(m.Birth, lambda birth: birth.boot == 6).protocol == m.PROTOCOL


@pytest.mark.parametrize("board", BOARDS)
def test_a_fault_is_told_at_the_next_birth(site, board, tmp_path):
    port = tmp_path / "debugger"
    lab = site(board, more=["-gdb", f"unix:{port},server=on,wait=off"])
    assert lab.expect(m.Birth).fell == ""
    # Where nothing may be executed; QEMU's M0 stands still there, and faults where nothing is.
    jump(port, 0x0FFF_FFF0 if board == "microbit" else 0xF000_0000)
    fell = lab.expect(m.Birth, lambda birth: birth.boot == 2).fell
    assert fell.startswith("fault at ")
    lab.machine.order("system_reset")
    assert lab.expect(m.Birth, lambda birth: birth.boot == 3).fell == ""


@pytest.mark.parametrize("board", ["microbit", "mps2-an385"])
def test_receipts_are_taken_once_an_image(site, board, firmware, tmp_path):
    """A reset finds them on their page, also what was put there; what is damaged is taken anew."""
    port = tmp_path / "debugger"
    lab = site(board, more=["-gdb", f"unix:{port},server=on,wait=off"])
    image = firmware.image(board, "node")
    # Behind the pages of the logs; the last KB of flash, the last 512 bytes of a log in RAM.
    if board == "microbit":
        page = symbol(image, "atoll_log_start") + 12 * 1024
    else:
        page = symbol(image, "bytes") + 39 * 256
    taken = lab.expect(m.Birth).receipts
    end = 16 + 8 * len(taken)  # the build's key, the digests, a CRC
    kept = bytearray(lab.machine.memory(page, page + end))
    kept[16] ^= 1
    poke(port, page, bytes(kept) + crc32c(bytes(kept)).to_bytes(4, "little"))
    lab.machine.order("system_reset")
    found = lab.expect(m.Birth, lambda birth: birth.boot == 2).receipts
    assert found[1:] == taken[1:]
    assert found[0].digest != taken[0].digest
    poke(port, page + 16, bytes([kept[16] ^ 1]))
    lab.machine.order("system_reset")
    assert lab.expect(m.Birth, lambda birth: birth.boot == 3).receipts == taken


@pytest.mark.parametrize(
    ("board", "link"),
    [("microbit", "serial"), ("mps2-an505", "serial"), ("lm3s6965evb", "ethernet")],
)
def test_dead_board_leaves_its_will(site, board, link):
    lab = site(board, link)
    lab.expect(dict, lambda status: status["state"] == "ready")
    lab.machine.order("stop")
    lab.machine.unplug()
    # The broker may need longer to notice than one look, which the wait has to outlast.
    looks = []
    lab.machine.until(lambda: looks.append(len(lab.gateway.heard)) or len(looks) > 2)
    lab.machine.until(lambda: lab.gateway.heard[-1] == {**READY, "state": "lost", "boot": 1})
