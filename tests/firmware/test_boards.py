"""Every board in emulation: it boots, speaks over its line, keeps its log, tells why it fell.

The image is apps/probe.c; the test is the other end of the serial link, over a socket to QEMU.
"""

import os
import signal
import subprocess
import time

import pytest

pytestmark = pytest.mark.emulator

BOARDS = (
    *("lm3s6965evb", "microbit", "mps2-an385", "mps2-an386"),
    *("mps2-an500", "mps2-an505", "netduinoplus2", "pico"),
)
# QEMU has no watchdog of the nRF51 and of the STM32.
WATCHED = ("lm3s6965evb", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "pico")
POWER, RESET, WATCHDOG, FAULT, STACK = range(5)


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


def test_time_goes_on_where_ticks_are_missed(emulate):
    """An erase of the micro:bit's flash stops its core for two ticks. QEMU's takes none: here the
    emulator itself is stopped, while the time that its timers count goes on.
    """
    machine = emulate("microbit")
    first, before = machine.report()["ms"], time.monotonic()
    machine.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, machine.process.pid, os.WSTOPPED | os.WNOWAIT)
    time.sleep(0.5)
    machine.process.send_signal(signal.SIGCONT)
    spent_ms = (time.monotonic() - before) * 1000
    assert machine.report()["ms"] - first > spent_ms - 20


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
