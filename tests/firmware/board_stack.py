"""The most stack that an emulated board's node was seen to use: its receipts, then under a broker
a standing job of each of its kernels' golden plans, one after the other, and a reset.

benchmarks/board_size.py asks for it; a table of frames would be a guess, since interrupts, library
and calls through pointers are in none.
"""

from array import array
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from board_site import Gateway, Site, networked, stack, symbol

from atoll.gateway.broker import BrokerChild
from atoll.kernels import Plan
from atoll.kernels.golden_models import golden_models
from atoll.kernels.receipt import SHORT
from atoll.wire import messages as m
from atoll.wire.identity import Identity, encode_identity
from conftest import Emulator, EthernetBoard, Firmware

RATE, EVERY, RECORDED = 3_200.0, 256, 2_000_000


def worst_stack(board, link):
    """Bytes used at most, bytes there are, and after what it was that many."""
    with TemporaryDirectory(prefix="atoll-stack-") as name:
        folder = Path(name)
        broker = BrokerChild(folder / "broker", kind="mosquitto")
        broker.start()
        gateway = Gateway(broker.port, board)
        machine = None
        try:
            image = Firmware().image(board, "emulated", link)
            machine = _started(board, link, image, folder, broker.port)
            return _Session(board, image, Site(machine, gateway)).deepest()
        finally:
            if machine:
                machine.end()
            gateway.end()
            broker.stop()


def _started(board, link, image, folder, port):
    random = Random(1)
    samples = array("h", (random.randrange(-9000, 9000) for _ in range(RECORDED)))
    (folder / "samples").write_bytes(samples.tobytes())
    who = Identity("lab", board, "bench", "vibration", "adc", "g", RATE)
    (folder / "identity").write_bytes(encode_identity(networked(who, port, link)))
    address = symbol(image, "atoll_identity_start")
    more = ["-device", f"loader,file={folder / 'identity'},addr={address:#x},force-raw=on"]
    more += ["-semihosting-config", f"enable=on,target=native,arg={folder / 'samples'}"]
    kind = EthernetBoard if link == "ethernet" else Emulator
    return kind(board, image, folder, broker=port, more=more)


class _Session:
    """A board at work, and the most of its stack so far."""

    def __init__(self, board, image, lab):
        self.board, self.image, self.lab = board, image, lab
        self.used, self.there, self.by = 0, 0, ""

    def deepest(self):
        """The whole of it."""
        kernels = {receipt.kernel for receipt in self.lab.expect(m.Birth).receipts}
        self._look("start")
        models = golden_models()
        for kernel, texts in SHORT.plans().items():
            for number, text in enumerate(texts):
                plan = Plan(text, models)
                if kernel in kernels and plan.channels == 1:
                    self._run(f"{kernel}-{number}", plan)
        self.lab.gateway.client.publish(
            self.lab.gateway.topics.down(self.board, "task"), b"?" * 900
        )
        self.lab.machine.order("system_reset")
        self.lab.expect(m.Birth, lambda birth: birth.boot == 2)
        self._look("reset")
        return self.used, self.there, self.by

    def _run(self, job, plan):
        """A batch of a plan, or why there is none."""
        words = plan.words("i16", RATE)
        every = -(-EVERY // plan.step) * plan.step
        order = m.Program(1, 1, 1, job, f"{self.board}/adc", every, plan.overlap, words)
        self.lab.gateway.say("task", order)
        self.lab.expect(m.Partials, lambda message: self._acknowledge(message) == job)
        self.lab.gateway.say("task", m.Cancel(1, 1, 1, job))
        self._look(job)

    def _acknowledge(self, message):
        """Batches of the jobs before come, too; the job that this is of."""
        self.lab.gateway.acknowledge(message)
        return message.job

    def _look(self, after):
        used, self.there = stack(self.lab.machine, self.image)
        if used > self.used:
            self.used, self.by = used, after
