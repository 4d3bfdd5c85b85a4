"""QEMU with a board on its own small network, from which 10.0.2.2 is this machine's loopback."""

import os
import select
import subprocess
import time

from atoll.cli.qmp import Qmp, QmpError


class EthernetBoard:
    """The board, its console and its control; there is no bridge."""

    def __init__(self, board, image, folder, *, broker=0, more=(), net="user,id=net"):
        """`broker`: its port, which is in the identity block; `more`: words for QEMU; `net`: what
        the board is plugged into, None where that is among them.
        """
        self.broker = broker
        self.console = ""
        self._folder = folder
        self._unplugged = False
        command = ["qemu-system-arm", "-M", board, "-kernel", image, "-display", "none"]
        command += ["-monitor", "none", "-serial", "stdio"]
        command += ["-nic", net] if net else []
        command += ["-qmp", f"unix:{folder / 'control'},server=on,wait=off", *more]
        self._errors = (folder / "errors").open("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        try:
            self.control = Qmp(folder / "control", alive=lambda: self.process.poll() is None)
        except QmpError as error:
            raise AssertionError(f"{error}: {self.words()}") from None

    def words(self):
        """What board and QEMU said, for a failure."""
        self._errors.seek(0)
        return self.console + self._errors.read()

    def order(self, command, **arguments):
        """A command of QMP."""
        return self.control.order(command, **arguments)

    def memory(self, start, end):
        """What lies there now."""
        return self.control.memory(start, end - start, self._folder / f"memory-{start:x}")

    def until(self, claim, timeout_s=100):
        """Let it run until `claim` holds: of a board that is unplugged what others say of it.
        A busy machine slows its clock, and so TCP.
        """
        deadline = time.monotonic() + timeout_s
        console = [] if self._unplugged else [self.process.stdout]
        while not claim():
            assert time.monotonic() < deadline, f"the board does not answer: {self.words()}"
            assert self._unplugged or self.process.poll() is None, self.words()
            if select.select(console, [], [], 0.02)[0]:
                self.console += (self.process.stdout.read() or b"").decode(errors="replace")

    def said(self, text, times=1, timeout_s=100):
        """Wait until it has said so, so many times."""
        self.until(lambda: self.console.count(text) >= times, timeout_s)

    def unplug(self):
        """Its power is gone; so is its connection, without a goodbye."""
        self._unplugged = True
        self.process.kill()
        self.process.wait(10)

    def end(self):
        self.process.terminate()
        self.process.wait(10)
        for one in (self.process.stdout, self.control, self._errors):
            one.close()
