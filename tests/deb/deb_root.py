"""A Debian root to install packages in, and its services started as their units say, without a
systemd: the unit's user, command and state directory, a socket for what it notifies.
"""

import configparser
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from atoll.cli.site import Child

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "build" / "deb" / "root"
SUITE = "bookworm"
PACKAGES = ("adduser", "init-system-helpers", "mosquitto", "python3", "python3-cbor2",
            "python3-paho-mqtt", "systemd", "udev")  # fmt: skip
# In a container udev would settle this machine's devices: it is there for its reader of rules.
MASKED = ("systemd-udevd.service", "systemd-udev-trigger.service",
          "systemd-udevd-control.socket", "systemd-udevd-kernel.socket")  # fmt: skip
WAIT_S = 120.0
WATCHDOG_S = 0.5
NEXT = "99.0~next"  # a version that follows every one of the project's


def base():
    """A root with what our packages depend on, made once."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is missing: make setup")
    stamp, wanted = BASE / "atoll-root", f"{SUITE} {' '.join(PACKAGES)}\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return BASE
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.parent.mkdir(parents=True, exist_ok=True)
    plain = "--setup-hook=sed -i -e /-security/d -e /-updates/d $1/etc/apt/sources.list"
    include = f"--include={','.join(PACKAGES)}"
    run("mmdebstrap", "--quiet", "--variant=apt", include, plain, SUITE, BASE)
    for unit in MASKED:
        (BASE / "etc/systemd/system" / unit).symlink_to("/dev/null")
    stamp.write_text(wanted)
    return BASE


def run(*words, code=0):
    """What a command says; it must end with `code`."""
    done = subprocess.run(
        [str(word) for word in words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout[-2_000:]}"
    return done.stdout


def build(folder, *versions):
    """The packages of this machine's architecture under each version; their paths, by version."""
    words = [f"--version={version}" for version in versions]
    run(sys.executable, ROOT / "scripts" / "debs.py", "amd64", "--out", folder, *words)
    return [sorted(folder.glob(f"*_{version}_*.deb")) for version in versions]


def unit_of(path):
    """The section [Service] of a unit; of a repeated key the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(path)
    return parser["Service"]


class DebianRoot:
    """A root of one's own."""

    def __init__(self, path):
        self.path = path
        self.notes = {}

    def dpkg(self, *words):
        """dpkg, as root in there."""
        return run("chroot", self.path, "dpkg", *words)

    def install(self, packages):
        """Install or upgrade from files."""
        (self.path / "tmp" / "debs").mkdir(exist_ok=True)
        for package in packages:
            shutil.copy(package, self.path / "tmp" / "debs")
        return self.dpkg("--install", *(f"/tmp/debs/{package.name}" for package in packages))

    def unit(self, name):
        """What the section [Service] of an installed unit says."""
        return unit_of(self.path / "lib/systemd/system" / f"{name}.service")

    def start(self, name):
        """A unit's process; returns once it has notified that it is ready."""
        unit = self.unit(name)
        state = self.path / "var/lib" / unit["StateDirectory"]
        if not state.exists():
            state.mkdir(mode=int(unit["StateDirectoryMode"], 8))
            run("chroot", self.path, "chown", f"{unit['User']}:{unit['Group']}",
                f"/var/lib/{state.name}")  # fmt: skip
        note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        place = self.path / "run" / f"{name}.notify"
        place.unlink(missing_ok=True)
        note.bind(str(place))
        place.chmod(0o777)
        note.settimeout(WAIT_S)
        self.notes[name] = note
        child = Child(name, (), self.path / "tmp" / f"{name}.log", program=self._words(name, unit))
        assert self.hear(name, "READY=1")
        return child

    def hear(self, name, word):
        """Wait until a service notifies of `word`; all that it said with it."""
        while word not in (said := self.notes[name].recv(4_096).decode()):
            pass
        return said

    def _words(self, name, unit):
        # A mount of /proc in a name space of the process alone: nothing is left behind.
        inside = (
            f"mount -t proc proc {self.path}/proc && mount --rbind /dev {self.path}/dev && exec"
            f" chroot --userspec={unit['User']}:{unit['Group']} {self.path}"
            f" env -i PATH=/usr/bin:/bin NOTIFY_SOCKET=/run/{name}.notify"
            f" WATCHDOG_USEC={WATCHDOG_S * 1e6:.0f}"
            f" {shlex.join(shlex.split(unit['ExecStart']))}"
        )
        return ("unshare", "--mount", "--propagation", "private", "sh", "-c", inside)
