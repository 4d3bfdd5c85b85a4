"""make bench-scale where devices do not come in: it says so and ends with 1, with what it has."""

import subprocess
import sys


def test_a_size_that_does_not_come_in_is_said_in_one_line() -> None:
    command = [sys.executable, "benchmarks/scale.py", "--devices", "3000", "--patience", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert lines[-1].startswith("scale: 3,000 devices: after 0.5 s it is still not so that 3,000")
    assert lines[-1].endswith("are")
    assert "Traceback" not in done.stderr
