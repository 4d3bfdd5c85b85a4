"""`atoll flash --board rpi`: write an image of a card, and read it back."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atoll.cli.disks import Disk, DiskError, find_disk
from atoll.cli.options import UsageError
from atoll.cli.progress import Progress

CHUNK_BYTES = 4 << 20
HEAD_BYTES = 512
# Linux's numbers: forget what is cached of a device; read its table of partitions again.
BLKFLSBUF, BLKRRPART = 0x1261, 0x125F
_MAGIC = {
    b"\xfd7zXZ\x00": "xz -d",
    b"\x1f\x8b": "gunzip",
    b"PK\x03\x04": "unzip",
    b"\x28\xb5\x2f\xfd": "zstd -d",
    b"BZh": "bunzip2",
}


def run(options: Any) -> int:
    """Check image and disk, write, verify."""
    if not options.device or not options.image:
        raise UsageError("--board rpi: wanted are --device /dev/sdX and --image FILE (atoll image)")
    image = Path(options.image)
    size = image_size(image)
    disk = find_disk(Path(options.device), force=options.force)
    if disk.bytes is not None and disk.bytes < size:
        raise DiskError(f"{disk.path}: {disk.says}: too small for {image}, {size / 1e9:.1f} GB")
    if disk.path.exists() and disk.path.samefile(image):
        raise DiskError(f"{disk.path}: is the image itself")
    if options.dry_run:
        print(f"{image} ({size:,} bytes) would be written to {disk.path} ({disk.says})")
        return 0
    print(f"writing {image} ({size:,} bytes) to {disk.path} ({disk.says})", flush=True)
    with opened(disk) as descriptor:
        digest = write(image, descriptor, disk, size)
        verify(descriptor, disk, size, digest, image)
    print(f"{disk.path}: written, and read back the same (sha256 {digest[:16]}...)")
    return 0


def image_size(path: Path) -> int:
    """Bytes of an image; `DiskError` for what is no image of a whole disk."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for magic, tool in _MAGIC.items():
        if head.startswith(magic):
            raise DiskError(f"{path}: is packed: unpack it first ({tool})")
    if len(head) < HEAD_BYTES or head[-2:] != b"\x55\xaa":
        raise DiskError(f"{path}: is no image of a disk: it has no table of partitions")
    return path.stat().st_size


@contextlib.contextmanager
def opened(disk: Disk) -> Iterator[int]:
    """The disk, for nobody else: the kernel refuses one that somebody mounts meanwhile."""
    try:
        descriptor = os.open(disk.path, os.O_RDWR | (os.O_EXCL if disk.bytes is not None else 0))
    except PermissionError:
        raise DiskError(f"{disk.path}: permission denied: run it with sudo") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write(image: Path, descriptor: int, disk: Disk, size: int) -> str:
    """Copy the image and wait until the medium has it; its SHA-256."""
    digest = hashlib.sha256()
    done = 0
    try:
        with image.open("rb") as file, Progress("writing", "B") as progress:
            while chunk := file.read(CHUNK_BYTES):
                _write_all(descriptor, chunk)
                digest.update(chunk)
                done += len(chunk)
                # In steps, so that the bar shows what the medium has and not what memory took.
                os.fdatasync(descriptor)
                progress(done, size)
        if done != size:
            raise DiskError(f"{image}: changed while it was read")
        os.fsync(descriptor)
    except KeyboardInterrupt:
        print(f"{disk.path}: holds half an image now, and does not start: write it again")
        raise
    except OSError as error:
        raise DiskError(
            f"{disk.path}: {error.strerror} after {done:,} bytes: half written"
        ) from None
    return digest.hexdigest()


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def verify(descriptor: int, disk: Disk, size: int, wanted: str, image: Path) -> None:
    """Read from the medium, not from memory; `DiskError` with the first wrong byte."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if disk.bytes is not None:
        with contextlib.suppress(PermissionError):  # without root the line above does most of it
            fcntl.ioctl(descriptor, BLKFLSBUF)
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest = hashlib.sha256()
    with image.open("rb") as file, Progress("verifying", "B") as progress:
        done = 0
        while done < size:
            mine = os.read(descriptor, min(CHUNK_BYTES, size - done))
            theirs = file.read(len(mine))
            if not mine or mine != theirs:
                place = next(
                    (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b),
                    len(mine),
                )
                raise DiskError(
                    f"{disk.path}: byte {done + place:,} reads back wrong: the card is worn out, or"
                    " smaller than it says"
                )
            digest.update(mine)
            done += len(mine)
            progress(done, size)
    if digest.hexdigest() != wanted:
        raise DiskError(f"{image}: changed while it was read: write it again")
    if disk.bytes is not None:
        with contextlib.suppress(OSError):  # the next plug-in does it
            fcntl.ioctl(descriptor, BLKRRPART)
