"""A minute of `make pressure`: memory is flat under ten times too much, and what is dropped is
counted by its reason.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.site, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


def test_a_minute_under_pressure(tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "benchmarks/pressure.py"), "--seconds", "60"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "build/bench/pressure.json").read_text())
    assert found["flat"]
    assert {row["process"] for row in found["rows"]} >= {"gateway", "client", "device-1"}
    assert found["dropped"]["gateway"]["busy"] > 0
    assert any("disk_too_slow" in reason for reason in found["dropped"]["device-1"])
