"""The soak ends with all that it started, however it is ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atoll.gateway.broker import find_mosquitto

pytestmark = [pytest.mark.emulator, pytest.mark.broker]

SOAK = Path(__file__).parent / "soak.py"
STARTS_S, ENDS_S = 120, 60


def processes(folder):
    """The names of processes whose temporary files are in this folder."""
    mark, found = f"TMPDIR={folder}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue  # it has just ended, or is not ours
    return found


def wait(claim, seconds):
    """Look until the claim holds."""
    ends = time.monotonic() + seconds
    while not claim() and time.monotonic() < ends:
        time.sleep(0.05)
    return claim()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_soak_that_is_stopped_leaves_nothing_running(firmware, tmp_path, number):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    firmware.image("microbit", "emulated")
    firmware.native("count_down.so")
    words = ["--board", "microbit", "--resets", "1000000", "--minutes", "0"]
    soak = subprocess.Popen(
        [sys.executable, SOAK, *words],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        started = {"qemu-system-arm", "mosquitto"}
        assert wait(lambda: started <= set(processes(tmp_path)), STARTS_S)
        os.kill(soak.pid, number)
        assert soak.wait(ENDS_S) == (-9 if number == signal.SIGKILL else 128 + number)
        assert wait(lambda: not processes(tmp_path), ENDS_S), processes(tmp_path)
        assert number == signal.SIGKILL or not list(tmp_path.iterdir())
    finally:
        if soak.poll() is None:
            os.killpg(soak.pid, signal.SIGKILL)
            soak.wait(ENDS_S)
