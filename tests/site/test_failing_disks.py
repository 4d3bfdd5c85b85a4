"""Disks that are full and disks that fail, under real processes: nothing is acknowledged that is
not there, somebody is told, and work goes on once there is room.

A full disk is a small ext4 in a file, mounted; a failing one a shim beneath libc (failing_disk.c)
that the test turns on and off.
"""

import errno
import mmap
import os
import re
import shutil
import struct
import subprocess
import threading
from array import array
from contextlib import suppress
from pathlib import Path

import pytest

from atoll.gateway.client_errors import FleetError
from atoll.gateway.client_mail import Mail
from atoll.wire.topics import Topics

pytestmark = [pytest.mark.site, pytest.mark.slow]
SOURCE = Path(__file__).with_name("failing_disk.c")
SAMPLES = 30_000
CANNOT = re.compile("ledger .* cannot be written: .*; nothing is acknowledged")
READY = re.compile("ready: lease")
CAN_AGAIN = re.compile("the ledger can be written again")


class Disk:
    """The disk below one folder, for the processes that are started while this is set."""

    def __init__(self, control):
        with control.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 16)

    def fail(self, *, syncs=-1, writes=-1, error=errno.EIO):
        """After so many more syncs or writes each one fails; -1: none does."""
        struct.pack_into("iii", self._map, 0, syncs, writes, error)

    def mend(self):
        self.fail()

    @property
    def failures(self):
        return struct.unpack_from("i", self._map, 12)[0]


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    path = tmp_path_factory.mktemp("shim") / "failing_disk.so"
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, SOURCE, "-o", path, "-ldl"], check=True)
    return path


@pytest.fixture
def failing(shim, tmp_path, monkeypatch):
    """`failing(folder)` is the disk below it."""

    def make(folder):
        control = tmp_path / "control"
        control.write_bytes(struct.pack("iiii", -1, -1, errno.EIO, 0))
        monkeypatch.setenv("LD_PRELOAD", str(shim))
        monkeypatch.setenv("FAIL_UNDER", str(folder))
        monkeypatch.setenv("FAIL_CONTROL", str(control))
        return Disk(control)

    return make


@pytest.fixture
def small_disk(tmp_path, new_site):
    """`small_disk(folder, megabytes)` mounts an ext4 of that size there; gives what fills it."""
    mounted = []

    def make(folder, megabytes):
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(megabytes * 1_048_576)
        subprocess.run(["mkfs.ext4", "-q", "-m0", image], check=True)
        folder.mkdir(parents=True)
        if subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True).returncode:
            pytest.skip("platform: no loop mounts here")
        mounted.append(folder)
        return Filler(folder)

    yield make
    new_site.stop()
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


class Filler:
    """Takes all the room of a disk, and gives it back."""

    def __init__(self, folder):
        self._path = folder / "filler"
        self._folder = folder

    def fill(self):
        free = os.statvfs(self._folder)
        with self._path.open("wb", buffering=0) as file, suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
            while True:
                file.write(bytes(4_096))
        assert os.statvfs(self._folder).f_bavail == 0

    def clear(self):
        self._path.unlink()


class Events:
    """What the site's event topic says; `wait` for a word."""

    def __init__(self, site):
        self._lines = []
        self._mail = Mail(site.url, client_id="events")
        self._mail.open(5)
        self._mail.subscribe(Topics(site.site).event, self._came)

    def _came(self, _topic, payload, _retained):
        with self._mail.changed:
            self._lines.append(payload.decode())
            self._mail.changed.notify_all()

    def wait(self, word, timeout_s=30):
        with self._mail.changed:
            came = self._mail.changed.wait_for(
                lambda: any(word in line for line in self._lines), timeout_s
            )
        assert came, self._lines

    def close(self):
        self._mail.close()


@pytest.fixture
def watched(new_site):
    """`watched(devices)` starts the site; gives a client and its events."""
    open_ = []

    def start(devices):
        new_site.start(devices)
        open_.extend([new_site.connect(), Events(new_site)])
        return open_

    yield start
    for one in open_:
        one.close()


def values_of(number):
    return array("h", [number + 1] * SAMPLES)


def put(fleet, number):
    fleet.put("data", values_of(number), key=f"k{number}", rate=1000)


def check(fleet, numbers):
    """All of these streams are there, whole, and counted once; what was refused is there whole or
    not at all.
    """
    for number in numbers:
        assert fleet.get("data", f"k{number}").tolist() == values_of(number).tolist()
    counted = fleet.run("count", over="data", by="key").values
    assert {value["count"] for value in counted.values()} <= {0, SAMPLES}
    assert all(counted[f"k{number}"]["count"] == SAMPLES for number in numbers)


def restart(site):
    """Kill the device and start it on what it left behind."""
    site.devices["device-1"].kill()
    site.start_device("device-1").wait_for(READY, 30)


# --- the device ----------------------------------------------------------------------------------


@pytest.mark.root
def test_a_device_whose_disk_is_full(new_site, watched, small_disk):
    filler = small_disk(new_site.folder / "device-1", 64)
    fleet, events = watched(1)
    put(fleet, 0)
    filler.fill()
    with pytest.raises(FleetError, match="not stored: device-1 refused it: disk full"):
        put(fleet, 1)
    events.wait("device-1 does not store: disk full")
    check(fleet, [0])
    filler.clear()
    put(fleet, 2)
    events.wait("device-1 stores again")
    restart(new_site)
    check(fleet, [0, 2])


@pytest.mark.parametrize("what", ["syncs", "writes"])
def test_a_device_whose_disk_fails(new_site, watched, failing, what):
    disk = failing(new_site.folder / "device-1")
    fleet, events = watched(1)
    put(fleet, 0)
    disk.fail(**{what: 0})
    with pytest.raises(
        FleetError, match=r"device-1 refused it: (disk error|sync failed): Input/output error"
    ):
        put(fleet, 1)
    events.wait("device-1 does not store")
    assert disk.failures
    disk.mend()
    put(fleet, 2)
    events.wait("device-1 stores again")
    restart(new_site)
    check(fleet, [0, 2])


def test_a_device_that_stumbles_at_every_sync(new_site, watched, failing):
    """Each of the first syncs of a put fails in turn; what is said to be stored is there."""
    disk = failing(new_site.folder / "device-1")
    fleet, _ = watched(1)
    put(fleet, 99)
    stored = [99]
    for number in range(4):
        disk.fail(syncs=number)
        with suppress(FleetError):
            put(fleet, number)
            stored.append(number)
        disk.mend()
        restart(new_site)
        put(fleet, 100 + number)
        stored.append(100 + number)
    for number in stored:
        assert fleet.get("data", f"k{number}").tolist() == values_of(number).tolist()


# --- the gateway ---------------------------------------------------------------------------------


def stands_still(fleet, failing, mended, gateway):
    """A put that begins while the ledger cannot be written ends after it can be, and not before."""
    ended = threading.Event()

    def store():
        put(fleet, 1)
        ended.set()

    failing()
    thread = threading.Thread(target=store)
    thread.start()
    gateway.wait_for(CANNOT, 30)
    assert not ended.is_set()
    mended()
    gateway.wait_for(CAN_AGAIN, 30)
    thread.join(60)
    assert ended.is_set()


def and_is_whole(site, fleet):
    """After a kill everything is there."""
    site.gateway.kill()
    site.start_gateway()
    check(fleet, [0, 1])


@pytest.mark.root
def test_a_gateway_whose_disk_is_full(new_site, watched, small_disk):
    filler = small_disk(new_site.folder / "gateway", 24)
    fleet, events = watched(2)
    put(fleet, 0)
    stands_still(fleet, filler.fill, filler.clear, new_site.gateway)
    events.wait("the ledger can be written again")
    and_is_whole(new_site, fleet)


@pytest.mark.parametrize("what", ["syncs", "writes"])
def test_a_gateway_whose_disk_fails(new_site, watched, failing, what):
    disk = failing(new_site.folder / "gateway" / "ledger.sqlite")
    fleet, events = watched(2)
    put(fleet, 0)
    stands_still(fleet, lambda: disk.fail(**{what: 0}), disk.mend, new_site.gateway)
    assert disk.failures
    events.wait("the ledger can be written again")
    and_is_whole(new_site, fleet)
