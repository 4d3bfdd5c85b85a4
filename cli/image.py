"""`atoll image`: an SD card's image that starts, finds its site and joins it."""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atoll.cli.options import UsageError, add_json, example
from atoll.cli.provision import add_told, told_of

# What building takes, and the Debian package that has it.
TOOLS = {
    "mmdebstrap": "mmdebstrap debian-archive-keyring",
    "dpkg-deb": "dpkg",
    "tar": "tar",
    "depmod": "kmod",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "python3.11": "python3.11",
}
FAKEROOT = {"fakeroot": "fakeroot"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--board", required=True, choices=("rpi",), help="Raspberry Pi 3, Zero 2 W or 4, 64 bit"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the image")
    add_told(parser)
    parser.add_argument(
        "--debs", default="dist", metavar="DIR", help="folder with the packages (dist: make debs)"
    )
    parser.add_argument(
        "--work",
        default="build/image",
        metavar="DIR",
        help="where Debian's files are kept for the next time (build/image; 0.7 GB)",
    )
    add_json(parser)
    example(
        parser,
        "atoll image --board rpi --out sd.img --id pi-07 --broker mqtt://192.168.1.10:1884"
        " --enroll TOKEN",
        "atoll image --board rpi --out sd.img --id pi-07 --broker mqtt://192.168.1.10"
        " --wifi home:PASS --country DE --ssh-key ~/.ssh/id_ed25519.pub",
        "atoll flash --board rpi --device /dev/sdb --image sd.img",
    )


def run(options: Any) -> int:
    """Check, fetch, build."""
    from atoll.cli.firmware import need
    from atoll.cli.image_root import make_base, packages_of

    told = told_of(options)
    out, work = Path(options.out), Path(options.work)
    if not out.parent.is_dir():
        raise UsageError(f"--out: there is no folder {out.parent}")
    if out.exists() and not out.is_file():
        raise UsageError(f"--out: {out} is no plain file: atoll flash writes disks")
    debs = packages_of(Path(options.debs))
    # Debian keeps such tools out of an ordinary user's PATH.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    need(TOOLS if os.geteuid() == 0 else TOOLS | FAKEROOT)
    if os.geteuid() != 0:
        # From here on owners of files matter, which need not be real.
        words = [sys.executable, "-m", "atoll.cli", *sys.argv[1:]]
        os.execvp("fakeroot", ["fakeroot", "--", *words])
    base = make_base(work)
    size = _build(base, work, out, told, debs)
    if options.json:
        from atoll.cli.report import print_json

        print_json({"image": str(out), "bytes": size, "packages": [path.name for path in debs]})
    else:
        print(f"{out}: {size:,} bytes; atoll flash --board rpi --device /dev/sdX --image {out}")
    return 0


def _build(base: Path, work: Path, out: Path, told: Any, debs: list[Path]) -> int:
    """The image's size."""
    from atoll.cli import image_disk as disk
    from atoll.cli.image_root import make_tree
    from atoll.cli.image_texts import DATA_LABEL, ROOT_LABEL

    with TemporaryDirectory(prefix="image-", dir=work) as name:
        own = Path(name)
        tree = own / "root"
        say("unpacking and settling the root")
        kernel = make_tree(base, tree, told, debs)
        say("making file systems")
        boot = disk.boot_system(tree, kernel, own)
        for path in (tree / "boot").iterdir():
            if path.is_file():
                path.unlink()
        (tree / "boot/firmware").mkdir(exist_ok=True)
        data = own / "data"
        (tree / "var").rename(data)
        (tree / "var").mkdir()
        files = [
            (disk.FAT, boot),
            (
                disk.LINUX,
                disk.linux_system(tree, ROOT_LABEL, disk.room_for(tree), own / "root.img"),
            ),
            (disk.LINUX, disk.linux_system(data, DATA_LABEL, disk.DATA_BYTES, own / "data.img")),
        ]
        say("putting the image together")
        return disk.assemble(files, out)


def say(text: str) -> None:
    """What takes long, on stderr."""
    print(f"image: {text}", file=sys.stderr, flush=True)
