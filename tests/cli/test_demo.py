"""The demonstration as people run it: real processes, a real SIGKILL, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from atoll.cli.demo import judge, problems

pytestmark = pytest.mark.site


def processes_of(folder):
    """Processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(int(entry.name))
    return found


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    noise = np.random.default_rng(5)
    entries = []
    for number in range(3):
        samples = noise.integers(-4000, 4000, 150_000, dtype="i2")
        np.save(folder / f"motor-{number}.npy", samples)
        entries.append(
            {"file": f"motor-{number}.npy", "rate_hz": 12000, "scale_g_per_count": 0.001}
        )
    (folder / "index.json").write_text(json.dumps(entries))
    return folder


@pytest.mark.parametrize("kind", ["auto", pytest.param("iotcore", marks=pytest.mark.slow)])
def test_recordings(atoll, data, tmp_path, kind):
    work = tmp_path / "tmp"
    work.mkdir()
    words = ("demo", "--data", data, "--json", "--broker-kind", kind)
    done = atoll(*words, TMPDIR=str(work), timeout_s=60)
    found = json.loads(done.stdout)
    assert found["answers_equal"] is True
    assert found["complete"] is True
    assert found["lost"] == found["duplicated"] == 0
    assert found["replicas_min"] == 2
    assert found["independent_ok"] is True
    assert found["takeover_s"] > 0
    assert found["task_overhead_us"] > 0
    assert 0 < found["device_pss_mb"] < 100
    assert found["standing_windows"] > 0
    assert found["standing_wrong"] == 0
    loss = found["loss"]
    assert 0 < loss["tasks_answered"] < loss["tasks_sent"]
    assert {row["when"] for row in found["rows"]} == {"before", "many tasks", "kill", "after"}
    assert list(work.iterdir()) == []
    assert processes_of(work) == []


@pytest.mark.slow
def test_live_counters_and_the_table(atoll, tmp_path):
    done = atoll("demo", "--seconds", "2", "--keep", ATOLL_RECORDINGS="", TMPDIR=str(tmp_path))
    assert "byte for byte" in done.stdout
    assert "0 lost, 0 counted twice, 2 copies of all" in done.stdout
    kept = Path(done.stderr.split("kept: ")[1].strip())
    assert (kept / "device-1.log").exists()
    assert processes_of(kept) == []


def test_ctrl_c_leaves_nothing(tmp_path, data):
    words = [sys.executable, "-P", "-m", "atoll.cli", "demo", "--data", str(data)]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "data")},
    )
    try:
        while "two copies" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in shown
    assert not [
        path for path in (tmp_path / "data").iterdir() if path.name.startswith("atoll-demo")
    ]
    assert processes_of(tmp_path) == []


def test_nothing_survives_the_demonstration_killed(tmp_path, data):
    words = [sys.executable, "-P", "-m", "atoll.cli", "demo", "--data", str(data)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "data")}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        while "two copies" not in process.stdout.readline():
            assert process.poll() is None
        assert len(processes_of(tmp_path)) >= 6
    finally:
        process.kill()
        process.communicate()
    ends_s = time.monotonic() + 15
    while processes_of(tmp_path) and time.monotonic() < ends_s:
        time.sleep(0.05)
    assert processes_of(tmp_path) == []


GOOD = {
    "answers_equal": True,
    "complete": True,
    "independent_ok": True,
    "lost": 0,
    "duplicated": 0,
    "replicas_min": 2,
    "standing_windows": 5,
    "standing_wrong": 0,
}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({}, 0),
        ({"independent_ok": None}, 0),
        ({"complete": False}, 3),
        ({"answers_equal": False}, 1),
        ({"independent_ok": False}, 1),
        ({"lost": 1}, 1),
        ({"duplicated": 1}, 1),
        ({"replicas_min": 1}, 1),
        ({"standing_windows": 0}, 1),
        ({"standing_wrong": 1}, 1),
    ],
)
def test_the_judgement(wrong, code):
    assert judge(GOOD | wrong) == code
    assert bool(problems(GOOD | wrong)) == bool(code)
