"""make bench-scale where devices do not come in within its patience: figures all the same."""

import json
import subprocess
import sys
from pathlib import Path


def test_devices_that_do_not_come_in_in_time_are_said(tmp_path: Path) -> None:
    options = ["--devices", "2000", "--patience", "0.5", "--seconds", "1"]
    options += ["--to", str(tmp_path / "scale.json")]
    command = [sys.executable, "benchmarks/scale.py", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    first = done.stderr.splitlines()[0]
    assert first.startswith("scale: 2,000 devices: after 0.5 s it is still not so that 2,000")
    assert first.endswith(" are")
    assert done.stdout.splitlines()[-1].startswith("breaks first: ")
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "scale.json").read_text())["devices"] == 2000
