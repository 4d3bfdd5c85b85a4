"""What the device's user may do with a board's sensors: rules for udev, and what they call."""

import os
import subprocess

import pytest
from deb_root import run

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

FOLDER = "/sys/bus/iio/devices/iio:device0"
COUNTER = "/sys/bus/counter/devices/counter0"
SHARE = "/usr/lib/atoll-device/share-sensor"
IMU = {
    "name": "imu",
    "sampling_frequency": "100",
    "current_timestamp_clock": "realtime",
    "in_accel_calibbias": "1",
    "in_accel_x_raw": "-3",
    "buffer/enable": "0",
    "buffer/length": "2",
    "buffer/data_available": "0",
    "scan_elements/in_accel_x_en": "0",
    "scan_elements/in_accel_x_index": "0",
    "scan_elements/in_accel_x_type": "le:s16/16>>0",
}
READ_ONLY = ("name", "in_accel_x_raw", "buffer/data_available", "scan_elements/in_accel_x_type")
OPEN = (
    "from atoll.runtime.source_iio import make_iio;"
    "print(make_iio('imu', 'imu,buffer', 'pi').streams[0].key)"
)
COUNT = (
    "from atoll.runtime.source_counter import CounterSource;"
    "print(CounterSource('wheel', '0@10hz', 'pi').streams[0].key)"
)


@pytest.fixture
def sensors(root):
    """A sensor with a buffer and a counter, as the kernel shows them: all of it root's."""
    for folder, files in ((FOLDER, IMU), (COUNTER, {"count0/count": "7", "count0/enable": "0"})):
        for name, text in files.items():
            place = root.path / f"{folder}/{name}".lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(0o444 if name in READ_ONLY else 0o644)
    node = root.path / "dev/iio:device0"
    os.mkfifo(node, 0o640)
    run("chroot", root.path, "chgrp", "atoll", "/dev/iio:device0")  # as the rule has it
    yield root
    node.unlink()


def as_device(root, code, *, ends=0):
    words = ("setpriv", "--reuid=atoll-device", "--regid=atoll", "--init-groups", "python3", "-c")
    return run("chroot", root.path, *words, code, code=ends)


@pytest.mark.parametrize(
    ("folder", "code", "key"), [(FOLDER, OPEN, "pi/accel_x"), (COUNTER, COUNT, "pi/count0")]
)
def test_a_source_that_sets_something_is_the_device_s_once_it_is_shared(sensors, folder, code, key):
    assert "permission denied" in as_device(sensors, code, ends=1)
    run("chroot", sensors.path, SHARE, folder)
    assert as_device(sensors, code) == f"{key}\n"


def test_no_more_than_that_is_shared(sensors):
    run("chroot", sensors.path, SHARE, FOLDER)
    shown = run("chroot", sensors.path, "find", FOLDER, "-group", "atoll", "-printf", "%P %m\n")
    assert sorted(shown.splitlines()) == [
        "buffer/enable 664",
        "buffer/length 664",
        "current_timestamp_clock 664",
        "sampling_frequency 664",
        "scan_elements/in_accel_x_en 664",
    ]


def udev(root):
    """What its reader says of all rules; the device is any."""
    script = f"mount -t sysfs sysfs {root.path}/sys && exec chroot {root.path} udevadm test"
    done = subprocess.run(
        ["unshare", "--mount", "--propagation=private", "sh", "-c",
         f"{script} --action=add /sys/devices/virtual/mem/null"],
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return [line for line in done.stdout.splitlines() if "rules.d/60-atoll-device.rules:" in line]


def test_udev_takes_the_rules(root):
    assert udev(root) == []
    rules = root.path / "lib/udev/rules.d/60-atoll-device.rules"
    text = rules.read_text()
    try:
        rules.write_text(text.replace('GROUP="atoll"', 'GROUP="nobody-knows"'))
        assert udev(root)  # what is wrong there would be told
    finally:
        rules.write_text(text)
