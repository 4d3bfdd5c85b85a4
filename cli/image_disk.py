"""From trees to a disk: an initial RAM disk, file systems, a table of partitions. Needs no root."""

import gzip
import os
import re
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from atoll.cli import image_texts as texts
from atoll.cli.image_root import call

SECTOR_BYTES = 512
MIB = 1 << 20
# Erase blocks of cards are 4 MiB or a divisor of it.
ALIGN_BYTES = 4 * MIB
BOOT_BYTES, DATA_BYTES = 160 * MIB, 256 * MIB
FAT, LINUX = 0x0C, 0x83
# The one device that the kernel opens before anything of ours runs: a character device, 5:1.
CONSOLE, CONSOLE_NUMBER = 0o20600, (5, 1)


class Part(NamedTuple):
    """A partition: its type, its first byte, its file system as a file."""

    kind: int
    start: int
    file: Path


def needed_modules(modules: Path, wanted: tuple[str, ...]) -> list[Path]:
    """Files of the modules and all they depend on, in an order in which they can be loaded.

    A name that this kernel has built in, or not at all, is left out.
    """
    files = {path.stem.replace("-", "_"): path for path in modules.rglob("*.ko")}
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        name = name.replace("-", "_")
        if name in order or name not in files:
            return
        found = re.search(rb"\0depends=([^\0]*)\0", files[name].read_bytes())
        for other in found[1].decode().split(",") if found else ():
            add(other)
        order[name] = files[name]

    for name in wanted:
        add(name)
    # Not named as dependencies, but asked for by ext4 when it mounts.
    for name in ("crc32c_generic",):
        if name in files and name not in order:
            order = {name: files[name], **order}
    return list(order.values())


def initial_disk(tree: Path, kernel: str) -> bytes:
    """The initial RAM disk: busybox, modules, `init`; a compressed cpio archive."""
    found = needed_modules(tree / "lib/modules" / kernel, texts.EARLY_MODULES)
    entries: list[tuple[str, int, bytes]] = [
        (name, 0o40755, b"") for name in ("bin", "dev", "lib", "new", "proc", "sys")
    ]
    entries += [
        ("dev/console", CONSOLE, b""),
        ("bin/busybox", 0o100755, (tree / "bin/busybox").read_bytes()),
        ("init", 0o100755, texts.INIT.encode()),
        ("modules", 0o100644, "".join(f"{path.name}\n" for path in found).encode()),
    ]
    entries += [(f"lib/{path.name}", 0o100644, path.read_bytes()) for path in found]
    return gzip.compress(cpio(entries), 6, mtime=0)


def cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive of (name, mode, data) as the kernel reads it (SVR4 without checksums)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        size = len(name) + 1
        device = CONSOLE_NUMBER if mode == CONSOLE else (0, 0)
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, size, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields)
        out += name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def boot_system(tree: Path, kernel: str, work: Path) -> Path:
    """The FAT file system that the board's firmware reads."""
    folder = work / "boot"
    call("rm", "-rf", folder)
    folder.mkdir()
    (folder / "config.txt").write_text(texts.CONFIG)
    (folder / "cmdline.txt").write_text(texts.COMMAND_LINE)
    (folder / "initrd.gz").write_bytes(initial_disk(tree, kernel))
    (folder / "vmlinuz").write_bytes((tree / f"boot/vmlinuz-{kernel}").read_bytes())
    sources = [*(tree / "usr/lib/raspi-firmware").iterdir()]
    sources += (tree / f"usr/lib/linux-image-{kernel}/broadcom").glob("bcm27*.dtb")
    sources += (tree / f"usr/lib/linux-image-{kernel}/broadcom").glob("bcm283*.dtb")
    for source in sources:
        if source.is_file():
            (folder / source.name).write_bytes(source.read_bytes())
    file = work / "boot.img"
    file.unlink(missing_ok=True)
    call("mkfs.vfat", "-F", "32", "-n", texts.BOOT_LABEL, "-C", file, str(BOOT_BYTES // 1024))
    call("mcopy", "-s", "-Q", "-i", file, *sorted(folder.iterdir()), "::/")
    return file


def linux_system(tree: Path, label: str, size: int, file: Path) -> Path:
    """An ext4 file system of `size` bytes with what is in `tree`."""
    file.unlink(missing_ok=True)
    with file.open("wb") as made:
        made.truncate(size)
    call("mke2fs", "-q", "-t", "ext4", "-L", label, "-m", "0", "-d", tree, file)
    return file


def room_for(tree: Path) -> int:
    """Bytes of a file system that holds `tree`, with a tenth to spare."""
    blocks = sum(
        -(-path.lstat().st_size // 4_096) + 1 for path in tree.rglob("*") if not path.is_symlink()
    )
    used = blocks * 4_096 + 64 * MIB
    return -(-used * 11 // 10 // ALIGN_BYTES) * ALIGN_BYTES


def table(parts: list[Part], signature: int) -> bytes:
    """The first sector: a DOS table of partitions, which every Raspberry Pi reads."""
    entries = b"".join(
        struct.pack(
            "<B3sB3sII", 0, b"\xfe\xff\xff", part.kind, b"\xfe\xff\xff",
            part.start // SECTOR_BYTES, part.file.stat().st_size // SECTOR_BYTES,
        )
        for part in parts
    )  # fmt: skip
    return bytes(440) + struct.pack("<IH", signature, 0) + entries.ljust(64, b"\0") + b"\x55\xaa"


def assemble(files: list[tuple[int, Path]], out: Path) -> int:
    """The disk's image, with holes where nothing is; its size. Nothing is left of half an image."""
    parts, start = [], ALIGN_BYTES
    for kind, file in files:
        parts.append(Part(kind, start, file))
        start += -(-file.stat().st_size // ALIGN_BYTES) * ALIGN_BYTES
    fresh = out.with_name(f"{out.name}.part")
    try:
        with fresh.open("wb") as image:
            image.write(table(parts, int.from_bytes(os.urandom(4), "little")))
            for part in parts:
                image.seek(part.start)
                _copy(part.file, image)
            image.truncate(start)
            image.flush()
            os.fsync(image.fileno())
        fresh.replace(out)
    finally:
        fresh.unlink(missing_ok=True)
    return start


def _copy(file: Path, image: BinaryIO) -> None:
    zeros = bytes(MIB)
    with file.open("rb") as source:
        while chunk := source.read(MIB):
            if chunk == zeros[: len(chunk)]:
                image.seek(len(chunk), os.SEEK_CUR)
            else:
                image.write(chunk)
