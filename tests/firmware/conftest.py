"""The firmware's C, built for this machine with sanitizers, or for a board."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from atoll.cli.firmware import emulator, emulator_tools
from atoll.cli.qmp import Qmp, QmpError
from atoll.cli.site import die_with
from atoll.transport.serial_link import BYTES, DATA_MAX, DOWN, OPEN, UP, Message, Ready, SerialLink

sys.path.insert(0, str(Path(__file__).parent))  # board_site and ethernet_board, by name
from ethernet_board import EthernetBoard

ROOT = Path(__file__).resolve().parents[2]


class Firmware:
    """The sources, where they are built, and how."""

    sources = ROOT / "firmware_stubs"
    harnesses = ROOT / "tests" / "firmware" / "native"
    build = ROOT / "build" / "firmware"

    def need(self, *tools: str) -> None:
        """Skip the test where a tool is missing; with CI=true that is a failure."""
        if missing := [tool for tool in tools if shutil.which(tool) is None]:
            pytest.skip(f"{', '.join(missing)}: not installed (scripts/setup check)")

    def make(self, *words: str) -> None:
        """Run the firmware's Makefile; what it prints becomes the failure."""
        self.need("make", "gcc")
        command = ["make", "--no-print-directory", "-C", self.sources, f"BUILD={self.build}"]
        self.build.mkdir(parents=True, exist_ok=True)
        # Tests run side by side, and this folder is all of theirs.
        with (self.build / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = subprocess.run([*command, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def native(self, name: str) -> Path:
        """The harness of this name, built with sanitizers."""
        path = self.build / "native" / name
        self.make(str(path))
        return path

    def spoilt(
        self, name: str, folder: Path, before: str, after: str, *, sanitize: bool = False
    ) -> Path:
        """The harness of this name over common code in which `before`, which stands in it once,
        is `after`: what the harness is there to find.
        """
        copy = folder / "firmware_stubs"
        shutil.copytree(self.sources, copy)
        sources = [*(copy / "common").glob("*.[ch]")]
        found = [path for path in sources if path.read_text().count(before)]
        assert len(found) == 1, f"the code has changed: spoil it anew ({before})"
        text = found[0].read_text()
        assert text.count(before) == 1, f"this stands in it more than once: {before}"
        found[0].write_text(text.replace(before, after))
        path = folder / "build" / "native" / name
        command = ["make", "-C", copy, f"BUILD={folder / 'build'}", f"TESTS={self.harnesses}"]
        options = [] if sanitize else ["SANITIZE=-O2"]
        subprocess.run([*command, *options, path], check=True, capture_output=True)
        return path

    def symbols(self, variant: str, kinds: str) -> set[str]:
        """Symbols of these kinds (letters of nm) in the objects of one strict build."""
        objects = sorted((self.build / "strict" / variant).glob("*.o"))
        listed = subprocess.run(["nm", *objects], capture_output=True, text=True, check=True)
        lines = [line.split() for line in listed.stdout.splitlines()]
        return {words[-1] for words in lines if len(words) > 1 and words[-2] in set(kinds)}

    def image(self, board: str, app: str, link: str = "serial") -> Path:
        """The image of an application for a board, with this link to the broker."""
        self.need("arm-none-eabi-gcc", *emulator_tools(board))
        self.make(f"BOARD={board}", f"APP={app}", f"LINK={link}", "image")
        return self.build / board / f"{app}{'-ethernet' * (link == 'ethernet')}.elf"

    def run(self, name: str, *words: str, timeout_s: float = 110) -> dict[str, Any]:
        """Run a harness that ends with one line of JSON and exit code 0."""
        command = [str(self.native(name)), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def pytest_collection_modifyitems(items):
    """A Pico's first start of an image takes its receipts, which an interpreter is slow at."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "pico" in item.name:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def firmware() -> Firmware:
    """Builds and runs."""
    return Firmware()


class Emulator:
    """An emulator with a board, and the bridge's end of its serial line."""

    def __init__(self, board, image, folder, *, noise=0.0, broker=0, more=(), watched=None):
        """`broker`: a port, for an image that wants a stream; `more`: words for QEMU; `watched`:
        sockets to look at meanwhile, and what to call when one has something; it may grow.
        """
        line, control = folder / "line", folder / "control"
        self.random = Random(1)
        self.noise = noise
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(line))
        self.server.listen()
        command = [*emulator(board), "-kernel", str(image), "-display", "none"]
        command += ["-monitor", "none", "-qmp", f"unix:{control},server=on,wait=off"]
        command += ["-chardev", f"socket,id=line,path={line}", "-serial", "chardev:line", *more]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, preexec_fn=partial(die_with, os.getpid())
        )
        self.server.settimeout(20)
        self.line, _ = self.server.accept()
        self._folder = folder
        self.control = Qmp(control)
        self.link = SerialLink(1, time.monotonic())
        self.readies = 0
        self.messages = []
        self.watched = {} if watched is None else watched
        self.broker = broker
        self.stream = None
        self.refusals = 0  # of the broker, which was not there
        self.owed = bytearray()  # from the broker to the board
        self.news = []  # that the stream is open or closed, as soon as the link has room
        self.until(lambda: self.readies == 1, timeout_s=300)  # the receipts may come first

    def order(self, command, **arguments):
        """A command of QMP. Meanwhile the line is read: a QEMU that waits to write to it answers
        nobody, and some hundred single bytes are more than a socket holds.
        """
        number = self.control.post(command, **arguments)
        self.until(lambda: select.select([self.control], [], [], 0)[0])
        return self.control.answer(number)

    def memory(self, start, end):
        """What lies there now."""
        path = self._folder / f"memory-{start:x}"
        words = {"val": start, "size": end - start, "filename": str(path)}
        try:
            self.order("memsave", **words)
        except QmpError:  # the core's MPU has the page of a guard: past it
            self.order("pmemsave", **words)
        return path.read_bytes()

    def until(self, claim, timeout_s=100):
        """Be the bridge until `claim` holds."""
        deadline = time.monotonic() + timeout_s
        while not claim():
            now = time.monotonic()
            assert now < deadline, "the board does not answer"
            assert self.process.poll() is None, self.process.stderr.read()
            out = self.link.output(now)
            if out:
                self.line.sendall(self._spoil(out))
            wakeup = self.link.next_wakeup()
            wait_s = min(0.1, max(0.0, wakeup - now) if wakeup is not None else 0.1)
            streams = [self.stream] if self.stream and len(self.owed) < 4096 else []
            arrived = select.select([self.line, *streams, *self.watched], [], [], wait_s)[0]
            for other in [one for one in self.watched if one in arrived]:
                self.watched[other]()
            if self.line in arrived:
                data = self._spoil(self.line.recv(4096))
                for event in self.link.receive(data, time.monotonic()):
                    self._take(event)
            if self.stream in arrived:
                self._take_stream()
            while self.news and self.link.send(self.news[0]):
                del self.news[0]
            while (
                not self.news and self.owed and self.link.send(BYTES, bytes(self.owed[:DATA_MAX]))
            ):
                del self.owed[:DATA_MAX]

    def _take(self, event):
        """An event of the link: a test's message, or the stream's."""
        if isinstance(event, Ready):
            self.readies += 1
            self._close_stream()
        if not isinstance(event, Message):
            return
        if event.kind == OPEN:
            self._dial()
        elif event.kind == DOWN:
            self._close_stream()
        elif not self.broker:
            self.messages.append(event.data.decode())
        elif self.stream:
            with contextlib.suppress(OSError):  # it is read as ended
                self.stream.sendall(event.data)

    def _dial(self):
        """Call the broker, which may not be there."""
        self._close_stream()
        try:
            self.stream = socket.create_connection(("127.0.0.1", self.broker))
            self.news = [UP]
        except ConnectionRefusedError:
            self.refusals += 1
            self.news = [DOWN]

    def _take_stream(self):
        try:
            data = self.stream.recv(4096)
        except ConnectionResetError:
            data = b""
        self.owed += data
        if not data:
            self._close_stream()
            self.news = [DOWN]

    def unplug(self):
        """The stream to the broker is gone, without a goodbye."""
        self._close_stream()

    def _close_stream(self):
        if self.stream:
            self.stream.close()
        self.stream = None
        self.owed.clear()
        self.news.clear()

    def _spoil(self, data):
        if not self.noise:
            return data
        chance = self.random.random
        return bytes(b ^ (1 << self.random.randrange(8)) * (chance() < self.noise) for b in data)

    def say(self, text):
        self.until(lambda: self.link.room > 0)
        assert self.link.send(BYTES, text.encode())

    def ask(self, text):
        """The answer to a command."""
        assert not self.messages
        self.say(text)
        self.until(lambda: self.messages)
        return self.messages.pop(0)

    def report(self):
        name, *words = self.ask("report").split()
        return {"board": name, **dict(zip(words[::2], map(int, words[1::2]), strict=True))}

    def fall(self, text):
        """Say something that ends in a reset, and wait for the board to be back."""
        readies = self.readies
        self.say(text)
        self.until(lambda: self.readies > readies)

    def end(self):
        self.line.close()  # first: QEMU waits for a peer that reads nothing
        self.process.terminate()
        self.process.wait(10)
        self._close_stream()
        for one in (self.process.stderr, self.control, self.server):
            one.close()


@pytest.fixture
def emulate(firmware, tmp_path):
    """Start a board with an image."""
    started = []

    def start(board, app="probe", link="serial", **options):
        image = firmware.image(board, app, link)
        kind = EthernetBoard if link == "ethernet" else Emulator
        folder = tmp_path / f"board-{len(started)}"
        folder.mkdir()
        started.append(kind(board, image, folder, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()
