"""What the kernels take of a microcontroller: flash and RAM, as a linker and an emulator say it.

    make firmware-size     or: .venv/bin/python benchmarks/firmware_size.py

For each core a program that makes a plan, feeds it and writes its partial (a device's part; `merge`
adds what reads partials of others) is linked with the amalgamation of a set of kernels, -Os and
--gc-sections. All of the image counts: the kernels, and what they draw out of the compiler's and
the C library (soft float, memcpy, a square root); of the library's part the table says how much it
is. RAM is the state of one plan of these kernels, less the window's own samples, as the
interpreter lays it out; the stack is measured on the emulated board by its receipts.

Writes build/bench/firmware_size.json: `smallest_flash`, `smallest_ram`, `catalogue_flash`,
`kernels` (a row a set and core) and `boards` (the node's image: board_size.py). Exit 1 where a
bound is broken.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import board_size

from atoll.kernels import Plan, catalogue, portable

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "firmware-size"
OUTPUT = ROOT / "build" / "bench" / "firmware_size.json"
CC, SIZE = "arm-none-eabi-gcc", "arm-none-eabi-size"

FLAGS = ["-std=c99", "-ffp-contract=off", "-Os", "-mthumb", "-ffunction-sections"]
LINK = ["-nostartfiles", "--specs=nano.specs", "-Wl,--gc-sections,-e,main"]
CORES = {
    "m0": ("-mcpu=cortex-m0", "-mfloat-abi=soft"),
    "m3": ("-mcpu=cortex-m3", "-mfloat-abi=soft"),
    "m4f": ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "m7": ("-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    "m33": ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
}

SMALLEST = ("window", "rms", "moments", "minmax", "quantiles")
SMALLEST_PLAN = "window 256 | rms | moments, minmax, quantiles 0.5 0.99 bins=32"
MODELS = frozenset({"linear", "logistic", "tree", "mlp"})
SMALLEST_FLASH_MAX = 12 * 1024
SMALLEST_RAM_MAX = 2 * 1024
CATALOGUE_FLASH_MAX = 96 * 1024
# What the node's image may take of a board, the stack in its RAM.
BOARDS_MAX = {
    "microbit": {"flash": 48 * 1024, "ram": 12 * 1024},
    "lm3s6965evb by ethernet": {"flash": 96 * 1024, "ram": 32 * 1024},
}

DEVICE = """\
#include "atoll_kernels.h"
extern uint32_t state[], words[], samples[];
extern uint8_t out[];
uint32_t state[1], words[1], samples[1];
uint8_t out[1];
int main(void)
{
    size_t used = 0;
    uint32_t status = atoll_plan_init(state, sizeof state, words, 1);
    status |= atoll_plan_push((struct atoll_plan *)state, samples, 1, NULL, 0);
    status |= atoll_plan_partial((struct atoll_plan *)state, out, sizeof out, &used);
    MORE
    return (int)status;
}
"""
MERGE = "status |= atoll_plan_absorb((struct atoll_plan *)state, out, used);"


class Missing(Exception):
    """A tool is not installed."""


class Flash(NamedTuple):
    """Bytes of a linked image: all of it, and what of it is not ours."""

    flash: int
    library: int


def sets() -> dict[str, tuple[str, ...] | None]:
    """Name of a set to its kernels; None for the whole catalogue."""
    every = [kernel.name for kernel in catalogue()]
    plain = tuple(name for name in every if name not in MODELS)
    return {"smallest": SMALLEST, "without models": plain, "all": None}


def amalgamation(name: str, kernels: tuple[str, ...] | None) -> Path:
    """The folder with the amalgamation of a set, written anew."""
    folder = BUILD / name.replace(" ", "-")
    portable.write(folder, kernels)
    (folder / "device.c").write_text(DEVICE.replace("MORE", ""))
    (folder / "merge.c").write_text(DEVICE.replace("MORE", MERGE))
    return folder


def linked(folder: Path, core: str, program: str) -> Flash:
    """Sizes of `program` (device or merge) on a core."""
    flags = [*FLAGS, *CORES[core], "-I."]
    image, objects = f"{program}-{core}.elf", [f"{program}-{core}.o", f"kernels-{core}.o"]
    for source, made in zip((f"{program}.c", "atoll_kernels.c"), objects, strict=True):
        _run(folder, CC, *flags, "-c", source, "-o", made)
    listed = f"-Wl,-Map={program}-{core}.map"
    _run(folder, CC, *CORES[core], "-mthumb", *LINK, listed, *objects, "-lm", "-lc", "-o", image)
    text, data = _run(folder, SIZE, image).splitlines()[1].split()[:2]
    ours = _ours((folder / f"{program}-{core}.map").read_text())
    return Flash(int(text) + int(data), int(text) + int(data) - ours)


def _ours(listing: str) -> int:
    """Bytes that a linker's map gives to our two objects."""
    kept = listing[listing.index("Linker script and memory map") :]
    found = re.findall(
        r"^ \.(?:text|rodata|data)\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+) \S+-m\w+\.o$", kept, re.M
    )
    return sum(int(size, 16) for size in found)


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def state_beside_window(text: str, dtype: str) -> int:
    """Bytes of a plan's state that are not its window's samples."""
    plan = Plan(text)
    return plan.cost(dtype=dtype).ram_bytes - plan.window * {"i16": 2, "i32": 4, "f32": 4}[dtype]


def rows() -> list[dict[str, Any]]:
    """A row a set and core."""
    found = []
    for name, kernels in sets().items():
        folder = amalgamation(name, kernels)
        for core in CORES:
            device, merge = linked(folder, core, "device"), linked(folder, core, "merge")
            row = {"set": name, "core": core, "flash": device.flash, "library": device.library}
            row["merge"] = merge.flash - device.flash
            found.append(row)
    return found


def stack_used() -> int | None:
    """Bytes of stack of the smallest set on the emulated M0; None without the emulator."""
    if not shutil.which("qemu-system-arm"):
        return None
    from receipts import board_stack

    return board_stack("microbit", SMALLEST)


def broken(result: dict[str, Any]) -> list[str]:
    """Bounds that do not hold, each in words."""
    bounds = {
        "smallest_flash": SMALLEST_FLASH_MAX,
        "smallest_ram": SMALLEST_RAM_MAX,
        "catalogue_flash": CATALOGUE_FLASH_MAX,
    }
    found = [
        f"{name} is {result[name]} bytes, at most {most} are allowed"
        for name, most in bounds.items()
        if result[name] > most
    ]
    for board, most in BOARDS_MAX.items():
        row = result["boards"].get(board)
        if row is None:
            found.append(f"{board} was not measured")
            continue
        found += [
            f"{part} of {board} is {size} bytes, at most {most[part]} are allowed"
            for part, size in row.items()
            if size > most.get(part, size)
        ]
    return found


def measure() -> dict[str, Any]:
    """What is written to the JSON. Missing: no cross compiler."""
    if not shutil.which(CC):
        raise Missing(f"{CC} is not installed (scripts/setup check)")
    found = rows()
    flash = {(row["set"], row["core"]): row["flash"] for row in found}
    return {
        "smallest_flash": flash["smallest", "m0"],
        "smallest_ram": max(state_beside_window(SMALLEST_PLAN, d) for d in ("i16", "i32", "f32")),
        "smallest_stack": stack_used(),
        "catalogue_flash": flash["without models", "m4f"],
        "smallest_plan": SMALLEST_PLAN,
        "kernels": found,
        "boards": board_size.boards(),
    }


def main() -> int:
    """Print the table, write the JSON; 1: a bound is broken or, with CI=true, a tool missing."""
    try:
        result = measure()
    except Missing as error:
        print(error, file=sys.stderr)
        return int(os.environ.get("CI") == "true")
    print(f"{'kernels':<16} {'core':<5} {'flash':>7} {'of it library':>14} {'to merge':>9}")
    for row in result["kernels"]:
        shown = f"{row['flash']:>7,} {row['library']:>14,} {row['merge']:>9,}"
        print(f"{row['set']:<16} {row['core']:<5} {shown}")
    print(f"state of {SMALLEST_PLAN!r} beside its samples: {result['smallest_ram']:,} bytes")
    for board, row in result["boards"].items():
        words = ", ".join(f"{part} {size:,}" for part, size in row.items())
        print(f"{board}: {words}")
    if result["smallest_stack"] is not None:
        print(f"stack of the smallest set on the M0: {result['smallest_stack']:,} bytes")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written: {OUTPUT.relative_to(ROOT)}")
    for words in broken(result):
        print(words, file=sys.stderr)
    return int(bool(broken(result)))


if __name__ == "__main__":
    sys.exit(main())
