"""Small programs on emulated Cortex-M boards: build one, run it, count its instructions.

A program has no board support but a start and an end (parts/board_start.c): what it prints goes
through the emulator's semihosting, and its exit code becomes the emulator's. `image_mark()` in it
ends a stretch whose instructions a plugin of the emulator (parts/board_icount.c) counts. Needed:
arm-none-eabi-gcc with newlib, qemu-system-arm, and a compiler for this machine.
"""

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from atoll.kernels.errors import KernelError

PARTS = Path(__file__).parent / "parts"
CC, NM, SIZE, QEMU = (
    "arm-none-eabi-gcc",
    "arm-none-eabi-nm",
    "arm-none-eabi-size",
    "qemu-system-arm",
)
TOOLS = (CC, QEMU, "gcc")
RUN_S = 60


class Core(NamedTuple):
    """A core, a board of it in the emulator, and the compiler's words."""

    board: str
    flags: tuple[str, ...]


CORES = {
    "m0": Core("microbit", ("-mcpu=cortex-m0", "-mfloat-abi=soft")),
    "m3": Core("mps2-an385", ("-mcpu=cortex-m3", "-mfloat-abi=soft")),
    "m4f": Core("mps2-an386", ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")),
    "m7": Core("mps2-an500", ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16")),
}


class Failed(KernelError):
    """Something could not be built or run."""

    code = 0  # the exit code of what ended badly


class Ran(NamedTuple):
    """What a program printed, and the instructions of its stretches: from each mark to the next."""

    printed: str
    counts: list[int]


def missing() -> list[str]:
    """Tools that are not installed."""
    return [tool for tool in TOOLS if not shutil.which(tool)]


def run(*command: str | Path, timeout_s: float = 300) -> str:
    """The output of a command; Failed with its words where it does not end well."""
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} did not end within {timeout_s:.0f} s") from None
    if done.returncode:
        error = Failed(f"{command[0]} ended with {done.returncode}\n{done.stdout}{done.stderr}")
        error.code = done.returncode
        raise error
    return done.stdout + done.stderr


def plugin(folder: Path) -> Path:
    """The counter, compiled for this machine into `folder`."""
    made = folder / "icount.so"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    run("gcc", *flags, "-fvisibility=hidden", PARTS / "board_icount.c", "-o", made)
    return made


def link(core: str, flags: Sequence[str], objects: Sequence[Path], made: Path) -> Path:
    """An image of these objects, with the start and the end."""
    words = [*flags, *CORES[core].flags]
    start = made.with_name("board_start.o")
    run(CC, *words, "-c", PARTS / "board_start.c", "-o", start)
    script = str(PARTS / "board_image.ld")
    tied = ["-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections", "-T", script]
    run(CC, *words, *tied, *objects, start, "-lm", "-lc", "-o", made)
    return made


def execute(core: str, image: Path, counter: Path) -> Ran:
    """Run an image to its end."""
    listed = (line.split() for line in run(NM, image).splitlines())
    symbols = {words[-1]: words[0] for words in listed if len(words) == 3}
    out = image.with_suffix(".counts")
    words = ["-M", CORES[core].board, "-kernel", str(image), "-display", "none", "-serial", "null"]
    words += ["-monitor", "none", "-semihosting-config", "enable=on,target=native"]
    words += ["-plugin", f"{counter},mark={int(symbols['image_mark'], 16) & ~1:x},out={out}"]
    printed = run(QEMU, *words, timeout_s=RUN_S)
    marks = [int(line) for line in out.read_text().split()]
    return Ran(printed, [after - before for before, after in itertools.pairwise(marks)])
