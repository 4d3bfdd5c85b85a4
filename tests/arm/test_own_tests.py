"""The kernels' and the runtime's own tests, run by the Python of an ARM userland on its wheel.

`make test-arm` runs all of both folders that need nothing but the wheel; otherwise a choice that an
emulator takes a few seconds for.
"""

import re
import subprocess

import pytest
from arm_boards import FULL, ROOT, tools

# Edges of the compiled module, every kernel's vectors, cuts of plans; store, outbox and the core.
CHOICE = (
    "tests/kernels/test_golden.py",
    "tests/kernels/test_corners.py",
    "tests/kernels/test_finish.py",
    "tests/kernels/test_receipt.py",
    "tests/kernels/test_samples.py",
    "tests/runtime/test_frame.py",
    "tests/runtime/test_outbox.py",
    "tests/runtime/test_segment.py",
    "tests/runtime/test_workers.py",
)
# What a userland without its own C compiler, scipy or programs of its own cannot be asked for.
ELSEWHERE = {
    "kernels": ("accuracy", "bench", "builds", "design", "digest", "fits", "fusion", "importers",
                "portable", "receipt_c", "subset", "user", "firmware_size", "native", "estimates",
                "cuts", "models", "series", "many", "numbers", "cost", "registry", "stack",
                "channels", "detectors", "plan", "program", "bearings"),
    "runtime": ("installed", "shell", "main", "recording", "live", "join", "source_serial"),
}  # fmt: skip

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(3600)]


def chosen():
    """The files that are run."""
    if not FULL:
        return [ROOT / name for name in CHOICE]
    return [
        path
        for folder, words in ELSEWHERE.items()
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))
        if not path.stem.removeprefix("test_").startswith(words)
    ]


def test_its_own_tests_pass_there(board, tmp_path):
    place = tools(tmp_path / "tools")
    at = next(n for n, word in enumerate(board) if word.startswith("PYTHONPATH="))
    program = [*board[:at], f"{board[at]}:{place}", *board[at + 1 :]]
    words = [
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_timeout",
        "--timeout=600",
    ]
    words += [
        "--timeout=600",
        "-m",
        "not broker and not site and not root and not slow and not emulator",
    ]
    words += [f"--basetemp={tmp_path}/temp", *map(str, chosen())]
    done = subprocess.run([*program, *words], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout[-500:]
    assert int(passed[1]) > (400 if FULL else 80), done.stdout[-500:]
