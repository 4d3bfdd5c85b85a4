"""Debian userlands of other machines, unpacked and not installed: headers to build wheels against,
and something to run them in under qemu-user. None of their scripts runs, so no emulator is needed.

    build/arm/root/aarch64     arm64
    build/arm/root/armv7l      armhf
    build/arm/root/x86_64      amd64
    build/arm/root/armel       armel

ARMv6 with hardware floats (Raspberry Pi Zero and 1) is no machine of Debian's: its wheels are built
with the headers of armhf, by zig, and nothing here runs them but for their kernels. Debian's armel
stands in for its Python: the processor is the Pi Zero's, floats travel in integer registers.

Each is made once by mmdebstrap and checked by a stamp that names what is in it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ROOTS = ROOT / "build" / "arm" / "root"
SUITE = "bookworm"
PYTHON = "python3.11"  # the suite's: the oldest that a wheel of ours runs on
PACKAGES = ("python3", "libpython3-dev", "python3-numpy", "libstdc++6")


class Machine(NamedTuple):
    """A machine as Python (`name`, as in a platform tag), Debian and the compiler call it; `cpu` is
    the oldest board's that is to run what is built for it, as QEMU names it. `zig`: its triplet and
    processor in zig's words, where Debian has no compiler for it; `like` then names the folder of
    the userland that has its headers.
    """

    name: str
    debian: str
    triplet: str
    qemu: str
    cpu: str
    flags: tuple[str, ...] = ()
    zig: tuple[str, str] | None = None
    like: str = ""

    @property
    def root(self) -> Path:
        """Its userland, or the one with its headers."""
        return ROOTS / (self.like or self.name)

    @property
    def python(self) -> Path:
        """Its interpreter, a program of that machine."""
        return self.root / "usr/bin" / PYTHON

    @property
    def compiler(self) -> str:
        """Debian's compiler for it, by the name that it has on every host."""
        return f"{self.triplet}-gcc"


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("x86_64", "amd64", "x86_64-linux-gnu", "qemu-x86_64", "Nehalem"),
        Machine("aarch64", "arm64", "aarch64-linux-gnu", "qemu-aarch64", "cortex-a53"),
        # VFP and no NEON for f32: the NEON of ARMv7 takes subnormal numbers for zero.
        Machine(
            "armv7l",
            "armhf",
            "arm-linux-gnueabihf",
            "qemu-arm",
            "cortex-a7",
            ("-march=armv7-a", "-mfpu=vfpv3-d16", "-mfloat-abi=hard"),
        ),
        # The C library of Raspberry Pi OS 10, so that it runs there and on everything later.
        Machine(
            "armv6l",
            "armhf",
            "arm-linux-gnueabihf",
            "qemu-arm",
            "arm1176",
            zig=("arm-linux-gnueabihf.2.28", "arm1176jzf_s"),
            like="armv7l",
        ),
    )
}

# Nobody gets this one's wheel: it is tested for Python on a Pi Zero's processor. VFP computes
# there, too: zig's own division in software does not round a subnormal result.
STAND_IN = Machine(
    "armv6l",
    "armel",
    "arm-linux-gnueabi",
    "qemu-arm",
    "arm1176",
    ("-mfloat-abi=softfp",),
    zig=("arm-linux-gnueabi.2.28", "arm1176jzf_s"),
    like="armel",
)


def make_root(machine: Machine) -> None:
    """Unpack a machine's userland, unless it is there; ends the program with a line on failure."""
    stamp = machine.root / "atoll-root"
    wanted = f"{SUITE} {' '.join(PACKAGES)}\n"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    if shutil.which("mmdebstrap") is None:
        sys.exit("arm: mmdebstrap is missing: make setup installs it (or apt install mmdebstrap)")
    shutil.rmtree(machine.root, ignore_errors=True)
    machine.root.parent.mkdir(parents=True, exist_ok=True)
    print(f"arm: unpacking Debian {SUITE} for {machine.debian}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [
            "mmdebstrap",
            "--quiet",
            "--variant=extract",
            f"--architectures={machine.debian}",
            f"--include={','.join(PACKAGES)}",
            # One archive, not three that may be out of step: nothing of this goes on a board.
            "--setup-hook=sed -i -e /-security/d -e /-updates/d $1/etc/apt/sources.list",
            SUITE,
            str(machine.root),
        ],
        env=os.environ | {"LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"arm: mmdebstrap failed for {machine.debian}: {done.stdout.strip()[-400:]}")
    finish(machine)
    stamp.write_text(wanted)


def finish(machine: Machine) -> None:
    """What the packages' own scripts would have done, as far as numpy and a start need it."""
    libraries = machine.root / "usr/lib" / machine.triplet
    for name in ("blas", "lapack"):
        link = libraries / f"lib{name}.so.3"
        if not link.exists():
            link.symlink_to(f"{name}/lib{name}.so.3")
    for name in ("proc", "dev", "tmp", "opt"):
        (machine.root / name).mkdir(exist_ok=True)
    # Compiled by this machine's Python where it is the same version; an emulated one takes minutes.
    if f"python{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        folders = [machine.root / "usr/lib" / PYTHON, machine.root / "usr/lib/python3"]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *map(str, folders)], check=False)
