"""Which disks may be written over, on machines that are trees of files."""

import os

import pytest

from atoll.cli.disks import DiskError, Machine, check_disk, find_disk

BUSES = {
    "usb": "pci0/usb1/1-2/host6/target6/6:0:0:0",
    "ata": "pci0/ata1/host0",
    "mmc": "mmc_host/mmc0",
}


class Tree:
    """A machine: /sys and /proc below a folder."""

    def __init__(self, root):
        self.root = root
        self.machine = Machine(root)
        self.mounts, self.swaps = [], []
        self.minor = 0
        self.say()

    def disk(self, name, bus="usb", gigabytes=32, parts=(), **more):
        folder = self.root / "sys/devices" / BUSES[bus] / "block" / name
        self._block(folder, gigabytes)
        for part in parts:
            self._block(folder / part, gigabytes)
            (folder / part / "partition").write_text("1\n")
        for path, text in {"device/vendor": "Maker", "device/model": "Reader", **more}.items():
            path = folder / path.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return folder

    def _block(self, folder, gigabytes):
        self.minor += 1
        (folder / "holders").mkdir(parents=True)
        (folder / "dev").write_text(f"8:{self.minor}\n")
        (folder / "size").write_text(f"{gigabytes * 10**9 // 512}\n")
        (folder / "ro").write_text("0\n")
        (folder / "removable").write_text("0\n")

    def say(self):
        (self.root / "proc/self").mkdir(parents=True, exist_ok=True)
        lines = [f"36 1 {number} / {place} rw - ext4 {source} rw\n"
                 for number, source, place in self.mounts]  # fmt: skip
        (self.root / "proc/self/mountinfo").write_text("".join(lines))
        head = "Filename Type Size Used Priority\n"
        text = "".join(f"{path} partition 1 0 -2\n" for path in self.swaps)
        (self.root / "proc/swaps").write_text(head + text)

    def check(self, folder, force=False):
        self.say()
        return check_disk(f"/dev/{folder.name}", folder, force=force, machine=self.machine)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_a_card_in_a_reader_is_written(tree):
    found = tree.check(tree.disk("sdb", parts=("sdb1",)))
    assert (found.bytes, found.says) == (32 * 10**9 // 512 * 512, "Maker Reader, 32.0 GB")
    assert tree.check(tree.disk("mmcblk0", "mmc", device__type="SD", device__name="SC32G"))
    removable = tree.disk("sdc", "ata")
    (removable / "removable").write_text("1\n")
    assert tree.check(removable)


@pytest.mark.parametrize("force", [False, True])
def test_what_is_in_use_is_refused_also_with_force(tree, force):
    disk = tree.disk("sdb", parts=("sdb1", "sdb2"))
    number = (disk / "sdb2/dev").read_text().strip()
    tree.mounts = [(number, "/dev/sdb2", "/media/my\\040card")]
    with pytest.raises(DiskError, match="sdb2 is mounted at /media/my card: umount"):
        tree.check(disk, force)
    tree.mounts = [("0:30", "/dev/sdb2", "/")]  # btrfs: a number that no disk has
    with pytest.raises(DiskError, match="this machine's own disk: sdb2 is mounted at /"):
        tree.check(disk, force)
    tree.mounts, tree.swaps = [], ["/dev/sdb1"]
    with pytest.raises(DiskError, match="sdb1 is this machine's swap"):
        tree.check(disk, force)
    tree.swaps = []
    assert tree.check(disk, force)


def test_what_is_below_something_else_is_refused(tree):
    disk = tree.disk("sdb", parts=("sdb1",))
    volume = tree.disk("dm-0", "ata", dm__name="vg-root")
    (disk / "sdb1/holders/dm-0").symlink_to(volume)
    with pytest.raises(DiskError, match="sdb1 is in use by dm-0"):
        tree.check(disk, force=True)
    tree.mounts = [("0:44", "/dev/mapper/vg-root", "/")]
    with pytest.raises(DiskError, match="own disk: sdb1 is mounted at /"):
        tree.check(disk, force=True)
    tree.mounts, tree.swaps = [], ["/dev/dm-0"]
    with pytest.raises(DiskError, match="sdb1 is this machine's swap"):
        tree.check(disk, force=True)


def test_what_is_no_card_needs_force(tree):
    disk = tree.disk("sda", "ata")
    with pytest.raises(DiskError, match=r"Maker Reader, 32\.0 GB: is neither removable.*--force"):
        tree.check(disk)
    assert tree.check(disk, force=True)
    with pytest.raises(DiskError, match="--force"):
        tree.check(tree.disk("mmcblk1", "mmc", device__type="MMC"))


def test_partitions_empty_readers_and_protected_cards(tree):
    disk = tree.disk("sdb", parts=("sdb1",))
    with pytest.raises(DiskError, match="is a partition: wanted is the whole disk, /dev/sdb"):
        tree.check(disk / "sdb1")
    (disk / "ro").write_text("1\n")
    with pytest.raises(DiskError, match="write-protected"):
        tree.check(disk)
    (disk / "ro").write_text("0\n")
    (disk / "size").write_text("0\n")
    with pytest.raises(DiskError, match="no card in it"):
        tree.check(disk)
    with pytest.raises(DiskError, match="knows no such disk"):
        tree.check(tree.root / "sys/devices/none")


def test_what_is_no_disk(tmp_path):
    with pytest.raises(DiskError, match="no such disk; lsblk"):
        find_disk(tmp_path / "sdz")
    with pytest.raises(DiskError, match="is no disk"):
        find_disk(tmp_path)
    with pytest.raises(DiskError, match="is no disk"):
        find_disk(type(tmp_path)("/dev/null"))
    file = tmp_path / "card.img"
    file.write_bytes(b"")
    assert find_disk(file).bytes is None


def test_the_disk_of_this_machine_is_refused():
    """Not a tree: the real /sys, /proc and root file system, where the root is on a disk."""
    number = os.stat("/").st_dev
    folder = Machine().block(number)
    if not folder.is_dir():
        pytest.skip("platform: the root is on no disk here")
    disk = folder.parent if (folder / "partition").exists() else folder
    with pytest.raises(DiskError, match=r"this machine's own disk|is mounted at"):
        check_disk(f"/dev/{disk.name}", disk, force=True, machine=Machine())
