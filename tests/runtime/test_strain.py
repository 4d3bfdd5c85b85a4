"""What weighs on a board, read from a tree that a test lays out."""

import os
import sys

import pytest
from test_health import lay_out

from atoll.kernels import Plan
from atoll.runtime.strain import SPEED_EVERY_S, StrainReader, speed_of
from atoll.wire.messages import UNSTRAINED

PRESSURE = "some avg10=90.00 avg60={} avg300=1.00 total=5\nfull avg10=0 avg60=0 avg300=0 total=0\n"
WIRELESS = """Inter-| sta-|   Quality        |   Discarded packets
 face | tus | link level noise |  nwid  crypt
 wlan0: 0000   54.  -56.  -256        0      0
"""


def board(tmp_path, files, *, disk=""):
    """A board whose store lies on the disk at this place below its /sys."""
    lay_out(tmp_path, files)
    number = os.stat(tmp_path).st_dev
    link = tmp_path / f"sys/dev/block/{os.major(number)}:{os.minor(number)}"
    if disk:
        link.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / disk).mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / disk)
    return StrainReader(str(tmp_path), root=str(tmp_path))


@pytest.fixture
def idle(monkeypatch):
    """A process that has computed nothing."""
    monkeypatch.delitem(sys.modules, "atoll.kernels")


def test_a_board_with_everything(tmp_path, idle):
    files = {
        "proc/loadavg": f"{1.5 * os.cpu_count():.2f} 0.50 0.40 2/300 4711\n",
        "proc/pressure/cpu": PRESSURE.format("12.34"),
        "proc/pressure/memory": PRESSURE.format("0.00"),
        "proc/pressure/io": PRESSURE.format("100.00"),
        "sys/fs/ext4/mmcblk0p2/errors_count": "3\n",
        "sys/block/mmcblk0/device/life_time": "0x02 0x0B\n",
        "sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
        "proc/net/wireless": WIRELESS,
    }
    reader = board(tmp_path, files, disk="sys/block/mmcblk0/mmcblk0p2")
    assert reader.read(0.0) == (1_500, 123, 0, 1_000, 3, 11, 1, -1, -56, -1)


def test_what_a_shared_machine_waits_for_is_not_one_devices(tmp_path):
    files = {
        "proc/loadavg": "90.00 0.50 0.40 2/300 4711\n",
        "proc/pressure/cpu": PRESSURE.format("97.00"),
        "proc/pressure/memory": PRESSURE.format("97.00"),
        "proc/pressure/io": PRESSURE.format("97.00"),
        "sys/fs/ext4/mmcblk0p2/errors_count": "3\n",
        "proc/net/wireless": WIRELESS,
    }
    board(tmp_path, files, disk="sys/block/mmcblk0/mmcblk0p2")
    Plan("moments")  # the kernels are loaded, and would be timed
    reader = StrainReader(str(tmp_path), root=str(tmp_path), shared=True)
    assert reader.read(0.0) == UNSTRAINED._replace(disk_errors=3, signal_dbm=-56)


def test_a_store_on_a_whole_disk(tmp_path, idle):
    files = {"sys/block/mmcblk1/device/life_time": "0x01 0x01\n"}
    strain = board(tmp_path, files, disk="sys/block/mmcblk1").read(0.0)
    assert (strain.flash_life, strain.flash_end) == (1, -1)


def test_a_board_with_nothing(tmp_path, idle):
    assert StrainReader(str(tmp_path / "gone"), root=str(tmp_path)).read(0.0) == UNSTRAINED


def test_nonsense_is_not_believed(tmp_path, idle):
    files = {
        "proc/loadavg": "nan x\n",
        "proc/pressure/cpu": "some avg10=1 avg60=much\n",
        "proc/pressure/memory": "full avg60=50.00\n",
        "proc/pressure/io": PRESSURE.format("4711.00"),
        "sys/fs/ext4/sda1/errors_count": "-4\n",
        "sys/block/sda/device/life_time": "0x01 0x1FF\n",
        "proc/net/wireless": WIRELESS.replace("-56.", "inf"),
    }
    strain = board(tmp_path, files, disk="sys/block/sda/sda1").read(0.0)
    assert strain == UNSTRAINED._replace(wait_disk_permille=1_000)


def test_the_kernels_are_timed_against_their_best_and_not_often(tmp_path):
    best = speed_of(Plan("moments"), 50)
    reader = StrainReader(str(tmp_path), root=str(tmp_path), best=best * 4)
    first = reader.read(0.0).speed_permille
    assert 0 < first <= 400, "a board that was four times as fast when it was installed"
    reader._best = 1
    assert reader.read(SPEED_EVERY_S - 1.0).speed_permille == first
    assert reader.read(SPEED_EVERY_S).speed_permille == 1_000


def test_this_machine(tmp_path):
    strain = StrainReader(str(tmp_path)).read(0.0)
    assert strain.load_permille >= 0
