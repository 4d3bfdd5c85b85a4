"""The Debian packages in a Debian root of their own: installed, used, drained, upgraded, purged."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from deb_root import NEXT, WATCHDOG_S, run, unit_of

from atoll.cli.site import wait_until
from atoll.gateway import connect
from atoll.kernels import Plan

PLAN = "window 256 | rms | quantiles 0.5 0.99"
SERVICES = ("atoll-device", "atoll-gateway")
SCORE_MAX = {"atoll-gateway": 1.5, "atoll-device": 1.8}

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]


def enabled(root, name):
    return (root.path / f"etc/systemd/system/multi-user.target.wants/{name}.service").is_symlink()


def stored(root):
    """Every byte of the device's shards."""
    shards = root.path / "var/lib/atoll-device/shards"
    return {str(p.relative_to(shards)): p.read_bytes() for p in shards.rglob("*.seg")}


def ask(root, samples=None):
    """Store samples, where there are any, and run the plan over them."""
    with connect(root.url, timeout_s=60) as fleet:
        # Ready for systemd is before its first lease.
        wait_until(
            lambda: [one["state"] for one in fleet.devices()] == ["ready"],
            60,
            "the device is ready",
        )
        if samples is not None:
            fleet.put("vibration", samples, key="motor", rate=12_000)
        result = fleet.run(PLAN, over="vibration")
        assert result.complete
        return result.value


def silence(note):
    """The next word, or nothing where none comes."""
    try:
        return note.recv(4_096).decode()
    except TimeoutError:
        return ""


def start(root):
    return [root.start(name) for name in ("atoll-gateway", "atoll-device")]


def drain(root, gateway, device):
    """SIGTERM each, as systemd does; they say so, and end in order."""
    for child in (device, gateway):
        child.terminate()
        assert "STATUS=draining" in root.hear(child.name, "STOPPING=1")
        child.end(30)
        assert child.process.returncode == 0, child.tail()


def test_installed(root):
    assert not root.dpkg("--audit")
    shown = run("chroot", root.path, "/usr/bin/atoll", "--version")
    assert shown.startswith("atoll ")
    listed = run("chroot", root.path, "getent", "passwd", *SERVICES)
    assert re.findall(r"^([\w-]+):x:\d+:\d+:[^:]*:/var/lib/([\w-]+):/usr/sbin/nologin$",
                      listed, re.MULTILINE) == [(name, name) for name in SERVICES]  # fmt: skip
    assert all(enabled(root, name) for name in SERVICES)
    files = root.dpkg("--listfiles", "atoll").split()
    assert "/etc/atoll/atoll.toml" in files
    modules = root.path / "usr/lib/python3/dist-packages/atoll/runtime"
    assert (modules / "__pycache__/core.cpython-311.pyc").exists()


def test_used_drained_upgraded_and_used_again(root, packages):
    samples = np.random.default_rng(3).normal(0, 900, 60_000).astype("i2")
    wanted = Plan(PLAN).run({"motor": samples}, rate=12_000)
    first = start(root)
    assert ask(root, samples) == wanted
    for child in first:
        root.hear(child.name, "WATCHDOG=1")
    drain(root, *first)
    before = stored(root)
    assert before
    edited = root.path / "etc/atoll/atoll.toml"
    text = edited.read_text() + "# mine\n"
    edited.write_text(text)
    root.install(packages[1])
    assert edited.read_text() == text
    assert NEXT in root.dpkg("--list", "atoll-device")
    assert stored(root) == before
    second = start(root)
    assert ask(root) == wanted
    drain(root, *second)


def test_a_hanging_loop_gives_no_sign_of_life(root):
    """What the watchdog rests on: a stopped process says nothing for longer than it is allowed."""
    gateway, device = start(root)
    note = root.notes["atoll-device"]
    subprocess.run(["kill", "-STOP", str(device.pid)], check=True)
    note.settimeout(2 * WATCHDOG_S)
    for said in iter(lambda: silence(note), ""):  # what was said before it stopped comes first
        assert said == "WATCHDOG=1"
    subprocess.run(["kill", "-CONT", str(device.pid)], check=True)
    note.settimeout(60)
    root.hear("atoll-device", "WATCHDOG=1")
    drain(root, gateway, device)


def test_purged_after_asking(root):
    """The gateway's state is kept, as nobody agreed; the device's is removed, as somebody did."""
    root.dpkg("--remove", *SERVICES)
    assert stored(root)
    assert (root.path / "var/lib/atoll-gateway").is_dir()
    line = "atoll-device atoll-device/purge-state boolean true"
    run("chroot", root.path, "sh", "-c", f"echo {line} | debconf-set-selections")
    root.dpkg("--purge", *SERVICES)
    assert not (root.path / "var/lib/atoll-device").exists()
    assert list((root.path / "var/lib/atoll-gateway").iterdir())
    assert not any(enabled(root, name) for name in SERVICES)
    left = (root.path / "var/lib/systemd").rglob("*atoll*")
    assert not list(left)
    root.dpkg("--purge", "atoll")
    assert not (root.path / "etc/atoll/atoll.toml").exists()
    assert not (root.path / "usr/lib/python3/dist-packages/atoll").exists()


def test_units_notify_keep_their_state_and_bound_the_journal():
    for name in SERVICES:
        unit = unit_of(Path("packages/debian") / f"{name}.service")
        assert (unit["Type"], unit["NotifyAccess"], unit["WatchdogSec"]) == ("notify", "main", "60")
        assert unit["User"] == unit["StateDirectory"] == name
        assert int(unit["LogRateLimitBurst"]) / int(unit["LogRateLimitIntervalSec"]) < 20
        assert int(unit["TimeoutStopSec"]) > 10  # a drain takes five


@pytest.mark.parametrize("name", SERVICES)
def test_units_are_sound_and_hardened(name):
    unit = Path("packages/debian") / f"{name}.service"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    shown = run("systemd-analyze", "security", "--offline=true", unit.resolve())
    score = re.search(r"Overall exposure level for \S+: (\d+\.\d)", shown)
    assert float(score[1]) <= SCORE_MAX[name], shown
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit.resolve()],
        text=True, capture_output=True,
    )  # fmt: skip
    # It looks for the command here, where it is not installed.
    lines = [line for line in done.stderr.splitlines() if unit.name in line]
    assert all("/usr/bin/atoll" in line for line in lines), done.stderr


def test_lintian_is_silent(packages):
    if shutil.which("lintian") is None:
        pytest.skip("lintian is missing: make setup")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", *packages[0]],
        text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert not re.findall(r"^[EW]: .*", done.stdout, re.MULTILINE)
