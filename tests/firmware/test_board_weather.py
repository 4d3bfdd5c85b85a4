"""Every board by each of its links, with a standing job, through what goes wrong: what it is told
wrongly, wild plans, a flood, torn frames, a broker that is killed, a reset at a random time, a
cable that is pulled. It loses no batch, and falls no further than to the reset that it was given.
"""

import os
import signal
import time
from array import array
from random import Random

import pytest
from board_job import Job
from board_site import ETHERNET, LINKED, Gateway, Site, free_port, networked, symbol

from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.kernels import Plan
from atoll.wire import messages as m
from atoll.wire.codec import encode
from atoll.wire.identity import Identity, encode_identity

pytestmark = [pytest.mark.emulator, pytest.mark.broker, pytest.mark.timeout(600)]

RATE, EVERY = 1_000.0, 512
PLAN = Plan("window 128 | rms | moments")
NOISE = 1e-4  # a byte, of serial lines
FLOOD = {"ethernet": 400, "serial": 80}  # messages; emulated lines take 15 KB a second
CABLE_S = 20
RARELY = 1536  # samples a batch: so that an outbox holds what comes while a cable is pulled


class Weather:
    """Boards, their broker, and the gateway that the test plays, anew behind each start of it."""

    def __init__(self, emulate, firmware, folder, broker):
        self.emulate, self.firmware, self.folder, self.broker = emulate, firmware, folder, broker
        random = Random(2)
        self.samples = array("h", (random.randrange(-9000, 9000) for _ in range(400_000)))
        (folder / "samples").write_bytes(self.samples.tobytes())
        self.gateways = []

    def start(self, board, link):
        """A board that samples; the site, once it is ready."""
        where = self.folder / f"identity-{board}"
        who = Identity("lab", board, "bench", "vibration", "adc", "g", RATE)
        who = networked(who, self.broker.port, link, fixed=True)
        where.write_bytes(encode_identity(who))
        address = symbol(self.firmware.image(board, "emulated", link), "atoll_identity_start")
        more = ["-device", f"loader,file={where},addr={address:#x},force-raw=on"]
        more += ["-semihosting-config"]
        more += [f"enable=on,target=native,arg={self.folder / 'samples'}"]
        options = {} if link == "ethernet" else {"noise": NOISE}
        gateway = self.gateway(board)  # first: it must not miss the birth
        machine = self.emulate(
            board, "emulated", link, broker=self.broker.port, more=more, **options
        )
        lab = Site(machine, gateway)
        lab.expect(dict, lambda status: status["state"] == "ready")
        return lab

    def gateway(self, board):
        """Be the gateway of a board."""
        self.gateways.append(Gateway(self.broker.port, board))
        return self.gateways[-1]

    def job(self, board, every=EVERY):
        """Its standing job."""
        return Job(board, self.samples, PLAN, RATE, every)


@pytest.fixture
def weather(emulate, firmware, tmp_path):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    # No port that another test's broker would take while this one is down.
    child = BrokerChild(tmp_path / "broker", kind="mosquitto", port=free_port())
    child.start()
    world = Weather(emulate, firmware, tmp_path, child)
    yield world
    for gateway in world.gateways:
        gateway.end()
    child.stop()


def malformed(lab):
    """What is no message, or none for a device."""
    sound = encode(m.Ack(1, 1, 1, [m.NumberSpan(1, 1)]))
    random = Random(3)
    for leaf in ("task", "ack", "lease", "map"):
        topic = lab.gateway.topics.down(lab.gateway.device, leaf)
        for payload in (
            b"",
            sound[:-1],
            sound + b"\0",
            b"\x81" * 300,
            b"\xbb" + b"\xff" * 8,
            encode(m.Cancel(1, 1, 1, "hum"))[:-3],
            random.randbytes(1000),
            random.randbytes(3000),
        ):
            lab.gateway.client.publish(topic, payload, qos=1)


def wild(lab, job):
    """Plans that no gateway would send: each is refused with a reason."""
    random, sound = Random(4), PLAN.words("i16", RATE)
    large = Plan("window 65536 hop=65536 | rms | moments")
    programs = {
        "noise": random.randbytes(256),
        "cut": sound[:-4],
        "long": sound + bytes(4),
        "flipped": bytes([sound[0] ^ 0x80]) + sound[1:],
        "large": large.words("i16", RATE),
    }
    for name, words in programs.items():
        lab.gateway.say("task", m.Program(1, 1, 1, name, job.key, EVERY, 0, words))
    other = m.Program(1, 1, 1, "other", "other/adc", EVERY, PLAN.overlap, sound)
    lab.gateway.say("task", other)
    reasons = {}
    while len(reasons) < len(programs) + 1:
        message = lab.expect(m.Partials)
        if message.job == "hum":
            job.take(lab, message)
            continue
        (result,) = message.results
        assert result.failed
        reasons[message.job] = result.data.decode()
        lab.gateway.acknowledge(message)
    assert reasons["other"] == "the board samples no such stream"
    assert all(reasons.values())


def flood(lab, count):
    """Messages that nobody asked for, as fast as the broker passes them on."""
    topic = lab.gateway.topics.down(lab.gateway.device, "task")
    for number in range(count):
        lab.gateway.client.publish(topic, bytes([number % 256]) * (number % 900), qos=0)


def torn(machine):
    """Half a frame, noise without an end, and empty ones."""
    random = Random(5)
    for junk in (
        b"\0\x09\x02\x05",
        random.randbytes(700),
        b"\0" * 50,
        random.randbytes(40) + b"\0",
    ):
        machine.line.sendall(junk)


@pytest.mark.parametrize(("board", "link"), LINKED)
def test_nothing_that_goes_wrong_costs_a_batch(weather, board, link):
    lab, job, broker = weather.start(board, link), weather.job(board), weather.broker
    job.order(lab)
    job.gather(lab, 1)
    malformed(lab)
    wild(lab, job)
    flood(lab, FLOOD[link])
    if link == "serial":
        torn(lab.machine)
    job.gather(lab, 3)
    # The broker is killed, and comes back on its port.
    os.kill(broker.pid, signal.SIGKILL)
    broker.stop()
    if link == "ethernet":
        lab.machine.said(": refused")
    else:
        lab.machine.until(lambda: lab.machine.refusals > 0)
    broker.start()
    lab = Site(lab.machine, weather.gateway(board))
    job.order(lab)
    job.gather(lab, 3)
    job.check(runs=1)  # so it was never reset
    # At a random time, what waits for an acknowledgement included.
    due = time.monotonic() + Random(f"{board} {link}").random()
    lab.machine.until(lambda: time.monotonic() > due)
    lab.machine.order("system_reset")
    birth = lab.expect(m.Birth, lambda birth: birth.boot == 2)
    assert birth.fell == ""
    job.gather(lab, 2, after=job.newest)
    job.check(runs=2)


def test_pulled_cables_cost_no_batch(weather):
    """Of all boards with Ethernet at one time, since it takes its time."""
    labs = {board: weather.start(board, "ethernet") for board in ETHERNET}
    jobs = {board: weather.job(board, RARELY) for board in ETHERNET}
    for board, lab in labs.items():
        jobs[board].order(lab)
        jobs[board].gather(lab, 1)
    for lab in labs.values():
        lab.machine.order("set_link", name="net", up=False)
    back = time.monotonic() + CABLE_S
    for board, lab in labs.items():
        if board != "lm3s6965evb":  # QEMU's model of it has no PHY
            lab.machine.said("link down")
    last = labs[ETHERNET[0]].machine
    last.until(lambda: time.monotonic() > back, CABLE_S + 100)
    for lab in labs.values():
        lab.machine.order("set_link", name="net", up=True)
    for board, lab in labs.items():
        jobs[board].gather(lab, int(CABLE_S * RATE / RARELY) + 1)
        jobs[board].check(runs=1)
