"""An image in QEMU, started from its own kernel, initial RAM disk, device tree and command line.

QEMU does not run the firmware of a Raspberry Pi, which would read these files off the card; here
they are taken out of the image's own boot partition, so that what starts is what the card has.
"""

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

from volatile_disk import VolatileDisk

from atoll.cli.site import Child

ROOT = Path(__file__).resolve().parents[2]
# QEMU's card reader takes powers of two; over what is left the data partition grows.
CARD_BYTES = 2 << 30
BOOT_S = 400.0
HOST = "10.0.2.2"  # this machine's loopback, as a guest of QEMU's user network has it
TREES = {"raspi3b": "bcm2837-rpi-3-b.dtb"}
MACHINES = {
    "raspi3b": ("-M", "raspi3b", "-smp", "4", "-drive", "file={card},format=raw,if=sd",
                "-device", "usb-net,netdev=net"),
    "virt": ("-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "1024",
             "-drive", "file=nbd+unix:///?socket={disk},format=raw,if=none,id=card,cache=writeback",
             "-device", "virtio-blk-device,drive=card", "-device", "virtio-net-device,netdev=net"),
}  # fmt: skip


def build(out, url, *more):
    """An image for a device `pi-7` of the site at `url`, by the command itself."""
    port = url.rpartition(":")[2]
    debs = out.parent / "debs"
    _run(sys.executable, ROOT / "scripts" / "debs.py", "arm64", "--out", debs)
    _run(
        sys.executable, "-m", "atoll.cli", "image", "--board", "rpi", "--out", out,
        "--debs", debs, "--work", ROOT / "build" / "image", "--id", "pi-7",
        "--broker", f"mqtt://{HOST}:{port}", *more,
    )  # fmt: skip
    return out


def _run(*words):
    done = subprocess.run(
        [str(word) for word in words], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout[-2_000:]}"
    return done.stdout


def partitions(image):
    """First byte and size of each partition."""
    with image.open("rb") as file:
        entries = file.read(512)[446:510]
    found = (struct.unpack("<8xII", entries[i : i + 16]) for i in range(0, 64, 16))
    return [(start * 512, size * 512) for start, size in found if size]


class Board:
    """A card, and a machine that it is in; the card outlives each start.

    In `virt` a cut of power takes with it what the card had not been told to keep. QEMU's reader of
    SD cards has no such word.
    """

    def __init__(self, machine, image, folder):
        self.machine = machine
        self.card = folder / f"{machine}.img"
        shutil.copy(image, self.card)
        with self.card.open("r+b") as file:
            file.truncate(CARD_BYTES)
        self.boot = folder / f"{machine}-boot"
        self.boot.mkdir()
        (start, _), *_ = partitions(image)
        _run("mcopy", "-n", "-i", f"{image}@@{start}", "::*", self.boot)
        self.log = folder / f"{machine}.log"
        self.child = None
        self.disk = None
        if machine == "virt":
            self.disk = VolatileDisk(self.card, folder / "disk", random.Random(9))

    def start(self):
        """Switch it on."""
        line = (self.boot / "cmdline.txt").read_text().strip()
        places = {"card": self.card, "disk": self.disk and self.disk.place}
        words = [word.format(**places) for word in MACHINES[self.machine]]
        words += ["-kernel", str(self.boot / "vmlinuz"), "-initrd", str(self.boot / "initrd.gz")]
        words += ["-append", line, "-netdev", "user,id=net", "-display", "none"]
        words += ["-monitor", "none", "-serial", "stdio", "-no-reboot"]
        if self.machine in TREES:
            words += ["-dtb", str(self.boot / TREES[self.machine])]
        program = ("qemu-system-aarch64",)
        self.child = Child(self.machine, words, self.log, program=program)

    def cut(self):
        """The power goes."""
        self.child.kill()
        if self.disk:
            self.disk.cut()

    def cut_in_a_write(self, writes):
        """The power goes in the middle of the so-many-th write from now on."""
        self.disk.stop_in_a_write(writes, BOOT_S)
        self.cut()
        assert self.disk.held

    def said(self):
        """The end of what it printed, for a failed test."""
        return self.log.read_text(errors="replace")[-4_000:]
