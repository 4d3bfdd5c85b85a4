"""Which disk may be written over: not one that is in use, and not one that is no card.

What the kernel says of its disks (`/sys`, `/proc`) is read below a root, so that tests have
machines of their own.
"""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

SECTOR_BYTES = 512


class DiskError(Exception):
    """A target that must not be written, or cannot be; the message says why and what would do."""

    exit_code = 1


class Disk(NamedTuple):
    """A target. bytes: its size, or of a plain file none; says: what a person calls it."""

    path: Path
    bytes: int | None
    says: str


class Machine(NamedTuple):
    """Where the kernel speaks of disks, and what a path's device is."""

    root: Path = Path("/")

    def block(self, number: int) -> Path:
        """A block device's folder in /sys, of its number."""
        name = f"{os.major(number)}:{os.minor(number)}"
        return (self.root / "sys/dev/block" / name).resolve()

    def mounts(self) -> list[tuple[str, str, str]]:
        """Number, source and place of everything that is mounted."""
        found = []
        for line in (self.root / "proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            words = before.split()
            found.append((words[2], _plain(after.split()[1]), _plain(words[4])))
        return found

    def swaps(self) -> list[str]:
        """Paths of what is swapped to."""
        lines = (self.root / "proc/swaps").read_text(errors="replace").splitlines()[1:]
        return [_plain(line.split()[0]) for line in lines]


HERE = Machine()


def _plain(text: str) -> str:
    """A path as the kernel writes it, with blanks in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def find_disk(path: Path, *, force: bool = False, machine: Machine = HERE) -> Disk:
    """The disk or plain file that `path` names, if it may be written over; else `DiskError`.

    force: also one that looks like no card. One that is in use stays refused.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise DiskError(f"{path}: there is no such disk; lsblk lists them") from None
    if stat.S_ISREG(found.st_mode):
        return Disk(path, None, "a plain file")
    if not stat.S_ISBLK(found.st_mode):
        raise DiskError(f"{path}: is no disk: wanted is one such as /dev/sdb or /dev/mmcblk0")
    return check_disk(path, machine.block(found.st_rdev), force=force, machine=machine)


def check_disk(path: Path, folder: Path, *, force: bool, machine: Machine) -> Disk:
    """`find_disk` for a block device whose folder in /sys is `folder`."""
    if (folder / "partition").exists():
        raise DiskError(
            f"{path}: is a partition: wanted is the whole disk, /dev/{folder.parent.name}"
        )
    if not folder.is_dir():
        raise DiskError(f"{path}: the kernel knows no such disk")
    for part in (folder, *sorted(entry.parent for entry in folder.glob("*/partition"))):
        _refuse_used(path, part, machine)
    if _number(folder / "ro"):
        raise DiskError(
            f"{path}: is write-protected: look at the switch of the card or its adapter"
        )
    size = _number(folder / "size") * SECTOR_BYTES
    if not size:
        raise DiskError(f"{path}: there is no card in it")
    says = " ".join(filter(None, (_text(folder / "device/vendor"), _text(folder / "device/model"),
                                  _text(folder / "device/name"))))  # fmt: skip
    says = f"{says or 'a disk'}, {size / 1e9:.1f} GB"
    if not force and not _is_card(folder):
        raise DiskError(
            f"{path}: {says}: is neither removable nor on USB nor a card reader's, so it may"
            " be this machine's own; --force writes it all the same"
        )
    return Disk(path, size, says)


def _refuse_used(path: Path, part: Path, machine: Machine, top: str = "") -> None:
    """DiskError if a disk or partition is mounted, swapped to, or below something else."""
    name = top or part.name
    number = _text(part / "dev")
    nodes = {f"/dev/{part.name}", f"/dev/mapper/{_text(part / 'dm/name')}"}
    for mounted, source, place in machine.mounts():
        if mounted == number or source in nodes:
            if place in ("/", "/boot", "/usr", "/boot/firmware", "/boot/efi"):
                raise DiskError(f"{path}: is this machine's own disk: {name} is mounted at {place}")
            raise DiskError(f"{path}: {name} is mounted at {place}: umount {place} first")
    for swap in machine.swaps():
        if swap in nodes or _device_of(swap) == number:
            raise DiskError(f"{path}: {name} is this machine's swap")
    for holder in sorted((part / "holders").glob("*")):
        _refuse_used(path, holder.resolve(), machine, name)
        raise DiskError(f"{path}: {name} is in use by {holder.name} (RAID, LVM or encryption)")


def _device_of(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"


def _is_card(folder: Path) -> bool:
    """Removable, on USB, of a card reader, or a loop device, which is a file."""
    if _number(folder / "removable") or folder.name.startswith("loop"):
        return True
    # A soldered eMMC is of the same kind, and says what it is.
    if folder.name.startswith("mmcblk"):
        return _text(folder / "device/type") in ("", "SD")
    return any(re.fullmatch(r"usb\d+", part) for part in folder.parts)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0
