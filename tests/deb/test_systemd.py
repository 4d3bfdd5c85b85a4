"""The packages under a systemd of their own: started, shut in, upgraded, watched, purged."""

import json
import shutil
import time

import pytest
from deb_machine import Machine, refusal
from deb_root import base, run

from atoll.cli.site import wait_until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

OWN = '[gateway]\nprofile = "fast"\n[device]\nid = "pi-1"\nprofile = "fast"\ncapacity = 1\n'
SITE = ("--broker", "mqtt://127.0.0.1:1884", "--timeout", "60")
SERVICES = ("atoll-gateway", "atoll-device")
RESTART_S = 120.0


@pytest.fixture
def machine(packages, tmp_path):
    """A Debian that is up, with our packages' files in it and not installed yet."""
    if reason := refusal():
        pytest.skip(reason)
    root = tmp_path / "root"
    run("cp", "-a", base(), root)
    (root / "debs").mkdir()
    for package in (one for version in packages for one in version):
        shutil.copy(package, root / "debs")
    (root / "etc/atoll/conf.d").mkdir(parents=True)
    (root / "etc/atoll/conf.d/10-own.toml").write_text(OWN)
    (root / "watched.csv").write_text("value\n" + "\n".join(map(str, range(-500, 500))) + "\n")
    short = root / "etc/systemd/system/atoll-device.service.d"
    short.mkdir(parents=True)
    (short / "short.conf").write_text("[Service]\nWatchdogSec=10\nRestartSec=0\n")
    with Machine(root) as machine:
        yield machine


def install(machine, packages):
    machine.run("dpkg", "--install", *(f"/debs/{package.name}" for package in packages))


def answer(machine):
    said = machine.run("atoll", "run", "moments", "--over", "watched", "--json", *SITE)
    return json.loads(said)["value"]


def await_ready(machine):
    """Until the device has its lease, which comes after its word to systemd."""

    def ready():
        found = json.loads(machine.run("atoll", "devices", "--json", *SITE))
        return [one["state"] for one in found] == ["ready"]

    wait_until(ready, RESTART_S, "the device is ready")


def await_restart(machine, pid):
    """systemd is asked again and again: it would tell its bus alone, which is not in there."""
    deadline = time.monotonic() + RESTART_S
    while (now := machine.property("atoll-device", "MainPID")) in (pid, "0"):
        assert time.monotonic() < deadline, machine.run("systemctl", "status", "atoll-device")
        time.sleep(0.1)
    return now


def mounts(machine, unit):
    """How each place is mounted for a unit: `ro` or `rw`, as its main process has it."""
    pid = machine.property(unit, "MainPID")
    lines = machine.run("cat", f"/proc/{pid}/mountinfo").splitlines()
    return {words[4]: words[5].split(",")[0] for words in map(str.split, lines)}


def test_services_live_under_systemd(machine, packages):
    install(machine, packages[0])
    for name in SERVICES:  # the packages' scripts have started them, and awaited their word
        assert machine.property(name, "ActiveState") == "active"
        assert machine.property(name, "User") == name
        assert machine.property(name, "StatusText")
    device, gateway = (mounts(machine, f"atoll-{role}") for role in ("device", "gateway"))
    assert (device["/"], device["/sys"], gateway["/sys"]) == ("ro", "ro", "ro")
    assert device["/sys/devices"] == "rw"  # sensors, as far as their owners let it
    assert "/sys/devices" not in gateway
    await_ready(machine)
    machine.run("atoll", "put", "watched", "/watched.csv", "--rate", "100", *SITE)
    before = answer(machine)
    assert before["moments"]["count"] == 1_000

    first = machine.property("atoll-device", "MainPID")
    install(machine, packages[1])
    second = machine.property("atoll-device", "MainPID")
    assert second != first
    await_ready(machine)
    assert answer(machine) == before

    machine.run("sh", "-c", f"kill -STOP {second}")
    await_restart(machine, second)
    assert "watchdog" in machine.run("journalctl", "--no-pager", "-u", "atoll-device")
    assert machine.property("atoll-device", "NRestarts") == "1"
    await_ready(machine)
    assert answer(machine) == before

    machine.run("systemctl", "stop", "atoll-device", "atoll-gateway")
    for name in SERVICES:
        assert machine.property(name, "Result") == "success"
        assert machine.property(name, "ExecMainStatus") == "0"

    line = "atoll-gateway atoll-gateway/purge-state boolean true"
    machine.run("sh", "-c", f"echo {line} | debconf-set-selections")
    machine.run("dpkg", "--purge", *SERVICES, "atoll")
    assert not (machine.root / "var/lib/atoll-gateway").exists()
    assert (machine.root / "var/lib/atoll-device/shards").is_dir()
    assert "not be found" in machine.run("systemctl", "status", "atoll-device", code=4)
