"""An aarch64 userland with our wheel installed, and programs run in it under qemu-user with their
instructions counted. Everything is made once and kept in build/arm.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from arm_roots import MACHINES, PYTHON, SUITE, make_root

__all__ = ["PYTHON", "SUITE"]
ROOT = Path(__file__).resolve().parents[1]
MACHINE = MACHINES["aarch64"]
SITE = ROOT / "build/arm/site/aarch64"
PLUGIN = ROOT / "build/arm/syscall_counts.so"
# Numbers of the system calls that are looked at, on aarch64: sched_yield as a mark, and sendto.
MARK, SEND = 124, 206
# A 32-bit board takes the pure Python cbor2, and so do we: one set of figures for both.
NEEDS = ("paho-mqtt>=1.6,<3", "cbor2>=5.4,<6")
_GLIBC = range(17, 37)
_WHEEL = f"atoll-*-cp311-abi3-manylinux_*_{MACHINE.name}.whl"


class Call(NamedTuple):
    """A system call: the instructions before it, its number, its third argument."""

    instructions: int
    number: int
    size: int


def make_site() -> None:
    """The userland and, in a folder beside it, our wheel with what it needs; the plugin."""
    for tool in (MACHINE.qemu, "mmdebstrap", "gcc"):
        if shutil.which(tool) is None:
            sys.exit(f"arm: {tool} is missing: make setup installs it")
    make_root(MACHINE)
    if not _fresh():
        run([sys.executable, str(ROOT / "scripts/wheels.py"), MACHINE.name])
    (wheel,) = (ROOT / "dist").glob(_WHEEL)
    shutil.rmtree(SITE, ignore_errors=True)
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(SITE)]
    words += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--no-compile"]
    # pip takes a platform by its word, older ones are not implied.
    words += [f"--platform=manylinux_2_{libc}_{MACHINE.name}" for libc in _GLIBC]
    run([*words, str(wheel), *NEEDS])
    flags = ["-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-o", str(PLUGIN)]
    run(["gcc", *flags, str(ROOT / "benchmarks/native/syscall_counts.c")])
    # Byte code is made here where this Python is theirs, else by the first run under the emulator.
    if f"python{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        run([sys.executable, "-m", "compileall", "-q", str(SITE)])


def _fresh() -> bool:
    """Whether there is a wheel that is younger than everything that goes into it."""
    built = [wheel.stat().st_mtime for wheel in (ROOT / "dist").glob(_WHEEL)]
    folders = ("kernels", "wire", "transport", "runtime", "gateway", "sim", "cli", "scripts")
    sources = [path for name in folders for path in (ROOT / name).rglob("*.*")]
    sources = [path for path in sources if "__pycache__" not in path.parts and path.suffix != ".so"]
    newest = max(path.stat().st_mtime for path in [*sources, ROOT / "setup.py"])
    return len(built) == 1 and built[0] > newest


def program(*, counts: Path | None = None) -> list[str]:
    """The words that run aarch64's Python with our wheel as a Cortex-A53, counted or not."""
    words = [MACHINE.qemu, "-cpu", MACHINE.cpu, "-L", str(MACHINE.root)]
    words += ["-E", f"PYTHONPATH={SITE}", "-E", "PYTHONHASHSEED=0"]
    words += ["-U", "PYTHONDONTWRITEBYTECODE"]
    if counts is not None:
        words += ["-plugin", f"{PLUGIN},out={counts},call={MARK},call={SEND}"]
    return [*words, str(MACHINE.python), "-P"]


def calls(counts: Path) -> list[Call]:
    """What the plugin has written so far."""
    lines = counts.read_text().splitlines() if counts.exists() else []
    return [Call(*(int(word) for word in line.split())) for line in lines if line.count(" ") == 2]


def between_marks(code: str, folder: Path) -> int:
    """Instructions between the last two marks (`os.sched_yield()`) of a piece of Python."""
    counts = folder / "counts"
    run([*program(counts=counts), "-c", code])
    marks = [call.instructions for call in calls(counts) if call.number == MARK]
    return marks[-1] - marks[-2]


def whole(code: str, folder: Path) -> int:
    """Instructions from the start of the interpreter to the end of a piece of Python."""
    counts = folder / "counts"
    run([*program(counts=counts), "-c", f"{code}\nimport os; os.sched_yield()"])
    return calls(counts)[-1].instructions


def run(words: list[str]) -> None:
    """Run a command, quietly; where it fails, this program ends with what it said."""
    done = subprocess.run(
        words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"arm: {os.path.basename(words[0])} failed: {done.stdout.strip()[-600:]}")
