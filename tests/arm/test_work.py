"""Instructions on an aarch64 board, held against those that are kept (benchmarks/arm.py)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(900)]


def test_start_and_plan_take_no_more_instructions_than_is_kept():
    for tool in ("qemu-aarch64", "mmdebstrap", "mosquitto_sub"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: make setup")
    words = [sys.executable, str(ROOT / "benchmarks/arm.py"), "--check"]
    done = subprocess.run(words, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
