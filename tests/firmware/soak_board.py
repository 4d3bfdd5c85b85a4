"""One board of the soak: it is reset at random counts of instructions while it runs a standing job,
and all that it hands over is kept.
"""

import socket
import time
from array import array
from random import Random

from board_site import Gateway, symbol

from atoll.cli.board_runs import BoardRuns
from atoll.gateway.progress import place_of
from atoll.kernels import Plan
from atoll.wire import messages as m
from atoll.wire.identity import Identity, encode_identity
from conftest import Emulator, Firmware

PLAN = Plan("window 64 | rms | moments")
RATE, EVERY = 12_800.0, 256  # fifty batches a second
RECORDED = 60_000
BOOT = 4_000_000  # instructions: a start whose receipts are kept, and some batches behind it
SMALL = 0.25  # of the resets come within fewer instructions, by orders of magnitude
ACKNOWLEDGED = 0.9  # of the partials; the others come again with the next connection
LOOK = 200_000  # instructions between two questions of a board that is not to be reset yet
SOON = 1_000  # ... whose last reset is not done yet
PATIENCE_S = 1.5  # for a count
AFTER_S = 150.0


class Countdown:
    """Instructions until the board is next stopped, by a plugin of QEMU (native/count_down.c)."""

    def __init__(self, path, on_stop):
        """`on_stop`: called while the processor stands still; it returns the next count."""
        self._on_stop = on_stop
        self._line = None
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self.watched = {self._server: self._connected}

    def _connected(self):
        self._line, _ = self._server.accept()
        self.watched[self._line] = self._stopped

    def _stopped(self):
        if self._line.recv(1):
            self._line.sendall(int(self._on_stop()).to_bytes(8, "little"))
        else:
            del self.watched[self._line]

    def end(self):
        """From now on nothing is stopped."""
        self._server.close()
        if self._line:
            self._line.close()
        self.watched.clear()


class Soak:
    """A board, its bridge, and the gateway that this plays."""

    def __init__(self, board, folder, broker, seed):
        self.board, self.random = board, Random(seed)
        self.left, self.resets, self.asked = 0, 0, 0
        self.seen, self.boot, self.due = 0, 0, 0.0
        self.found, self.changed, self.repeated, self.failed = {}, 0, 0, 0
        values = (self.random.randrange(-9000, 9000) for _ in range(RECORDED))
        self.samples = array("h", values)
        (folder / "samples").write_bytes(self.samples.tobytes())
        firmware = Firmware()
        image, plugin = firmware.image(board, "emulated"), firmware.native("count_down.so")
        who = Identity("lab", board, "bench", "vibration", "adc", "g", RATE)
        (folder / "identity").write_bytes(encode_identity(who))
        address = symbol(image, "atoll_identity_start")
        more = ["-device", f"loader,file={folder / 'identity'},addr={address:#x},force-raw=on"]
        more += ["-semihosting-config", f"enable=on,target=native,arg={folder / 'samples'}"]
        more += ["-plugin", f"{plugin},line={folder / 'counts'}"]
        self.gateway = Gateway(broker.port, board)
        self.countdown = Countdown(folder / "counts", self._stopped)
        watched = self.countdown.watched
        self.machine = Emulator(
            board, image, folder, broker=broker.port, more=more, watched=watched
        )
        watched[self.machine.control] = self._answered

    def _stopped(self):
        """The board stands still at its count: reset it there. The next count."""
        if not self.left:
            return LOOK
        if self.asked:  # the reset before is not done yet, which takes a moment
            return SOON
        self._press()
        if self.random.random() < SMALL:
            return BOOT ** self.random.random()
        return BOOT * self.random.random()

    def _press(self):
        """Pull the reset line."""
        self.left -= 1
        self.resets += 1
        self.due = time.monotonic() + PATIENCE_S
        self.asked = self.machine.control.post("system_reset")
        if self.resets % 100 == 0:
            print(f"{self.board}: {self.resets} resets, {len(self.found)} partials", flush=True)

    def _answered(self):
        """QEMU has reset the board, or tells of it."""
        if self.asked:
            self.machine.control.answer(self.asked)
            self.asked = 0
        else:
            self.machine.control.skip()

    def look(self):
        """Take in what the board has said."""
        while self.seen < len(self.gateway.heard):
            message = self.gateway.heard[self.seen]
            self.gateway.heard[self.seen] = None
            self.seen += 1
            if isinstance(message, m.LeaseRequest):
                self.gateway.grant(message)
            elif isinstance(message, m.Birth):
                self.boot = max(self.boot, message.boot)
            elif isinstance(message, m.Partials):
                self._keep(message)

    def _keep(self, message):
        for result in message.results:
            self.failed += result.failed
            place = place_of(result.task)
            at = place["run"], place["sample"]
            self.repeated += at in self.found
            self.changed += self.found.setdefault(at, result.data) != result.data
        if self.random.random() < ACKNOWLEDGED:
            self.gateway.acknowledge(message)

    def until(self, claim, timeout_s=AFTER_S):
        """Be bridge and gateway until `claim` holds."""

        def claimed():
            self.look()
            return claim()

        self.machine.until(claimed, timeout_s)

    def run(self, resets):
        """The whole of it; a row for the report."""
        self.until(lambda: self.boot)
        words = PLAN.words("i16", RATE)
        key = f"{self.board}/adc"
        self.gateway.say("task", m.Program(1, 1, 1, "hum", key, EVERY, PLAN.overlap, words))
        self.until(lambda: len(self.found) >= 2)
        self.left = resets
        while self.left:  # a board that fell for good is not born between two looks
            before, boot = self.resets, self.boot
            self.until(lambda before=before: self._passed(before + 50))
            # A machine without time may not have let it come so far: it is left alone until it has.
            due, self.left = self.left, 0
            self.until(lambda boot=boot: self.boot > boot)
            self.left, self.due = due, time.monotonic() + PATIENCE_S
        # What was ordered before the first reset runs behind the last one.
        last = max(run for run, _ in self.found)
        self.until(lambda: sum(run > last for run, _ in self.found) >= 2)
        return self.row()

    def _passed(self, resets):
        """Whether there were so many. Where a board has little to do, its count is long in coming,
        and its recording ends: it is not waited for.
        """
        if self.left and not self.asked and time.monotonic() > self.due:
            self._press()
        return not self.left or self.resets >= resets

    def row(self):
        """What was handed over, and what of it is not as it must be."""
        runs = {}
        for (run, sample), data in self.found.items():
            runs.setdefault(run, {})[sample] = data
        wanted = BoardRuns(PLAN, self.samples, RATE, EVERY, f"{self.board}/adc")
        lost = sum(map(wanted.missing, runs.values()))
        wrong = self.changed + self.failed + sum(map(wanted.differing, runs.values()))
        row = {"board": self.board, "resets": self.resets, "boots": self.boot, "runs": len(runs)}
        partials = {"partials": len(self.found), "repeated": self.repeated}
        return {**row, **partials, "lost": lost, "wrong": wrong}

    def end(self):
        """Nothing is left running."""
        self.countdown.end()  # first: a processor that stands still keeps QEMU from ending
        self.machine.end()
        self.gateway.end()
