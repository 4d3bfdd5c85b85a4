"""Every board in emulation: it boots, speaks over its line, keeps its log, tells why it fell.

The image is apps/probe.c; the test is the other end of the serial link, over a socket to QEMU.
"""

import json
import select
import socket
import subprocess
import time
from random import Random

import pytest

from atoll.transport.serial_link import BYTES, Message, Ready, SerialLink

pytestmark = pytest.mark.emulator

BOARDS = (
    *("lm3s6965evb", "microbit", "mps2-an385", "mps2-an386"),
    *("mps2-an500", "mps2-an505", "netduinoplus2"),
)
# QEMU has no watchdog of the nRF51 and of the STM32.
WATCHED = ("lm3s6965evb", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505")
POWER, RESET, WATCHDOG, FAULT, STACK = range(5)


class Emulator:
    """QEMU with a board, and the bridge's end of its serial line."""

    def __init__(self, board, image, folder, *, noise=0.0):
        line, control = folder / "line", folder / "control"
        self.random = Random(1)
        self.noise = noise
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(line))
        self.server.listen()
        command = ["qemu-system-arm", "-M", board, "-kernel", str(image), "-display", "none"]
        command += ["-monitor", "none", "-qmp", f"unix:{control},server=on,wait=off"]
        command += ["-chardev", f"socket,id=line,path={line}", "-serial", "chardev:line"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.server.settimeout(20)
        self.line, _ = self.server.accept()
        self.control = self._connect_control(control)
        self.link = SerialLink(1, time.monotonic())
        self.readies = 0
        self.messages = []
        self.until(lambda: self.readies == 1)

    @staticmethod
    def _connect_control(path):
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(20)
        control.connect(str(path))
        stream = control.makefile("rw")
        json.loads(stream.readline())
        print(json.dumps({"execute": "qmp_capabilities"}), file=stream, flush=True)
        json.loads(stream.readline())
        return stream

    def order(self, command):
        """A command of QMP."""
        print(json.dumps({"execute": command}), file=self.control, flush=True)

    def until(self, claim, timeout_s=30):
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
            wait_s = min(0.5, max(0.0, wakeup - now) if wakeup is not None else 0.5)
            if select.select([self.line], [], [], wait_s)[0]:
                data = self._spoil(self.line.recv(4096))
                for event in self.link.receive(data, time.monotonic()):
                    if isinstance(event, Message):
                        self.messages.append(event.data.decode())
                    self.readies += isinstance(event, Ready)

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
        self.process.terminate()
        self.process.wait(10)
        for one in (self.process.stderr, self.control, self.line, self.server):
            one.close()


@pytest.fixture
def emulate(firmware, tmp_path):
    """Start a board with the probe."""
    started = []

    def start(board, **options):
        firmware.need("arm-none-eabi-gcc", "qemu-system-arm")
        firmware.make(f"BOARD={board}", "APP=probe", "image")
        image = firmware.build / board / "probe.elf"
        started.append(Emulator(board, image, tmp_path, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.mark.parametrize("board", BOARDS)
def test_board_boots_and_speaks(emulate, board):
    machine = emulate(board)
    report = machine.report()
    assert report["board"] == board
    assert (report["boots"], report["cause"]) == (1, POWER)
    assert 0 < report["stack"] < 2048
    for number in range(100):
        machine.say(f"echo {number} " + "x" * (number % 100))
    machine.until(lambda: len(machine.messages) == 100)
    assert [int(text.split()[0]) for text in machine.messages] == list(range(100))
    machine.messages.clear()
    report = machine.report()
    assert report["overruns"] == 0
    assert machine.link.dropped == 0


@pytest.mark.parametrize("board", BOARDS)
def test_clock_keeps_time(emulate, board):
    machine = emulate(board)
    before, first = time.monotonic(), machine.report()["ms"]
    while time.monotonic() < before + 1:
        machine.ask("echo")
    spent_ms = (time.monotonic() - before) * 1000
    assert machine.report()["ms"] - first == pytest.approx(spent_ms, rel=0.25)


@pytest.mark.parametrize("board", BOARDS)
def test_log_survives_resets(emulate, board):
    machine = emulate(board)
    for number in range(1, 31):
        assert machine.ask(f"append record {number}") == str(number)
    assert machine.ask("acknowledge 7") == "ok"
    machine.fall("reset")
    assert machine.ask("oldest") == "8 record 8"
    assert machine.ask("append more") == "31"
    machine.order("system_reset")
    machine.until(lambda: machine.readies == 3)
    report = machine.report()
    assert (report["boots"], report["cause"], report["backlog"]) == (3, RESET, 24)
    assert machine.ask("acknowledge 30") == "ok"
    assert machine.ask("oldest") == "31 more"


@pytest.mark.parametrize("board", BOARDS)
def test_faults_are_told(emulate, board, firmware):
    machine = emulate(board)
    machine.fall("fault")
    report = machine.report()
    assert (report["boots"], report["cause"]) == (2, FAULT)
    assert function_at(firmware, board, report["pc"]) == "fault"
    machine.fall("overflow")
    report = machine.report()
    assert (report["boots"], report["cause"]) == (3, STACK)


@pytest.mark.parametrize("board", WATCHED)
def test_watchdog_bites(emulate, board, firmware):
    machine = emulate(board)
    machine.fall("hang")
    report = machine.report()
    assert (report["boots"], report["cause"]) == (2, WATCHDOG)
    assert function_at(firmware, board, report["pc"]) in {"hang", "atoll_board_idle"}


@pytest.mark.parametrize("board", ["microbit", "mps2-an385"])
def test_noise_on_the_line(emulate, board):
    machine = emulate(board, noise=1e-3)
    texts = [f"echo {number} " + "y" * 60 for number in range(200)]
    for text in texts:
        machine.say(text)
    machine.until(lambda: len(machine.messages) == len(texts), timeout_s=90)
    assert machine.messages == [text.removeprefix("echo ") for text in texts]
    assert machine.link.dropped > 0


def function_at(firmware, board, address):
    """The name of the function that holds this address."""
    image = firmware.build / board / "probe.elf"
    listed = subprocess.run(
        ["arm-none-eabi-nm", "-S", image], capture_output=True, text=True, check=True
    )
    for line in listed.stdout.splitlines():
        start, *words = line.split()
        if len(words) == 3 and int(start, 16) & ~1 <= address < int(start, 16) + int(words[0], 16):
            return words[2]
    return None
