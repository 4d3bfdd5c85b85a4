"""Receipts of every kernel on every kind of machine: are they the same bits?

    make receipts          or: .venv/bin/python benchmarks/receipts.py

The golden vectors run through the Python extension in each of its builds, through the amalgamation
compiled for this machine (plain, and with AVX2 and FMA on offer), through the same under qemu-user
as aarch64 and armv7, and as firmware on emulated Cortex-M boards (the ports of firmware_stubs). All
C runs with as little memory as a receipt needs (many small pushes) and, but for the boards, with
plenty (one push a vector). Boards run the kernels as built for space and as built for speed, which
takes other loops (parts/cortexm.h); a Pico the first alone. Boards run the short suite alone, the
others the long one too.

Writes build/bench/receipts.json: `equal`, `targets`, `kernels`, and `receipts`, a hash a kernel and
target. Exit 1 where any differs from the golden tables of tests/kernels, or, with CI=true, where a
tool is missing.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from atoll.cli.firmware import emulator as emulator_of
from atoll.cli.firmware import emulator_tools
from atoll.kernels import builds, portable, receipt_c
from atoll.kernels.receipt import LONG, SHORT

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "receipts"
OUTPUT = ROOT / "build" / "bench" / "receipts.json"
GOLDEN = {name: ROOT / "tests" / "kernels" / f"{name}.txt" for name in ("golden", "golden_long")}
SUITES = {"short": SHORT, "long": LONG}
FLAGS = ["-std=c99", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
PLENTY = 1 << 20  # bytes: any vector and its rows in one push
# An emulated board takes one second, a Pico, whose emulator interprets, half a minute.
BOARD_TIMEOUT_S = 300
BOARDS = {
    "cortex-m0": "microbit",
    "cortex-m0+": "pico",
    "cortex-m3": "mps2-an385",
    "cortex-m4f": "mps2-an386",
    "cortex-m7": "mps2-an500",
    "cortex-m33": "mps2-an505",
}

Receipts = dict[str, str]


class Failed(Exception):
    """A target that could not be built or run."""


class Found(NamedTuple):
    """What a target gives: receipts by suite, and a word for people."""

    suites: dict[str, Receipts]
    note: str = ""


class Target(NamedTuple):
    """A kind of machine. `how` is for people; `tools` must be installed."""

    name: str
    how: str
    tools: tuple[str, ...]
    take: Callable[[], Found]


def run(*command: str | Path, **variables: str) -> str:
    """What a command prints; Failed where it fails."""
    environment = {**os.environ, **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def parse(text: str) -> Receipts:
    """Lines of name and hash."""
    return dict(line.split() for line in text.splitlines())


def extension(build: str) -> Found:
    """The Python extension, as the command shows it."""
    atoll = Path(sys.executable).with_name("atoll")
    words = {"short": ("--receipts",), "long": ("--receipts", "--long")}
    suites = {
        name: json.loads(run(atoll, "kernels", *words[name], "--json", **{builds.VARIABLE: build}))
        for name in SUITES
    }
    return Found(suites)


def amalgamation(name: str, compiler: tuple[str, ...], emulator: tuple[str, ...]) -> Found:
    """The C, compiled statically where it is to be emulated, with little memory and with plenty."""
    folder = BUILD / name
    folder.mkdir(parents=True, exist_ok=True)
    kernels = folder / "kernels.o"
    run(*compiler, *FLAGS, "-c", BUILD / "short" / "atoll_kernels.c", "-o", kernels)
    suites = {}
    for suite in SUITES:
        program = folder / suite
        sources = (BUILD / suite / "atoll_receipts.c", ROOT / "benchmarks/native/receipts.c")
        link = ("-static",) if emulator else ()
        include = ("-I", str(BUILD / suite), "-I", str(BUILD / "short"))
        run(*compiler, *FLAGS, *include, *sources, kernels, *link, "-lm", "-o", program)
        suites[suite] = parse(run(*emulator, program))
        if parse(run(*emulator, program, str(PLENTY))) != suites[suite]:
            raise Failed("receipts depend on how much is pushed at a time")
    return Found(suites)


def board(
    name: str,
    kernels: Path = BUILD / "short",
    build: Path = BUILD / "firmware",
    opt: str = "-Os",
) -> Found:
    """The image for a board of the C in `kernels`, and what it says over its serial line."""
    image = build / name / "receipts.elf"
    folders = (f"BUILD={build}", f"KERNELS={kernels}", f"KERNELS_OPT={opt}")
    words = (*folders, f"BOARD={name}", "APP=receipts", "image")
    run("make", "-s", "-C", ROOT / "firmware_stubs", *words)
    command = [*emulator_of(name), "-kernel", str(image), "-display", "none"]
    command += ["-monitor", "none", "-serial", "stdio"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    ) as process:
        limit = threading.Timer(BOARD_TIMEOUT_S, process.kill)
        limit.start()
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line.split())
                if lines[-1] == ["end"] or "fell" in lines[-1]:
                    break
        finally:
            limit.cancel()
            process.kill()
    if lines[-1:] != [["end"]] or any(len(line) != 2 for line in lines[1:-1]):
        raise Failed(f"{name} did not come to its end; what it said: {lines}")
    *receipts, (_, stack), _ = lines[1:]
    return Found({"short": dict(receipts)}, f"stack {int(stack, 16)} B")


def board_stack(name: str, kernels: Iterable[str]) -> int:
    """Bytes of stack that the receipts of these kernels alone take; Failed where they differ."""
    folder, only = BUILD / "small", ",".join(kernels)
    words = [str(folder), "--only", only]
    if portable.main(words) or receipt_c.main(words):
        raise Failed("the C was not written")
    found = board(name, folder, folder / "firmware")
    if not found.suites["short"].items() <= golden("short").items():
        raise Failed(f"{name}: other receipts than every machine's")
    return int(found.note.split()[1])


def targets() -> list[Target]:
    """Everything that is to be equal."""
    here = platform.machine()
    found = [Target("python", "extension", (), partial(extension, "base"))]
    native: dict[str, tuple[str, ...]] = {f"{here} gcc": ("gcc",), f"{here} clang": ("clang",)}
    if here == "x86_64" and builds.has_avx2():
        found.append(Target("python avx2", "extension", (), partial(extension, "avx2")))
        native[f"{here} avx2 fma"] = ("gcc", "-mavx2", "-mfma")
    for name, words in native.items():
        take = partial(amalgamation, name.replace(" ", "-"), words, ())
        found.append(Target(name, " ".join(words), words[:1], take))
    armhf = ("arm-linux-gnueabihf-gcc", "-mcpu=cortex-a7", "-mfloat-abi=hard")
    for name, words, emulator in (
        ("aarch64", ("aarch64-linux-gnu-gcc",), ("qemu-aarch64", "-cpu", "cortex-a53")),
        ("armv7", (*armhf, "-mfpu=vfpv3-d16"), ("qemu-arm", "-cpu", "cortex-a7")),
        ("armv7 neon", (*armhf, "-mfpu=neon-vfpv4"), ("qemu-arm", "-cpu", "cortex-a7")),
    ):
        take = partial(amalgamation, name.replace(" ", "-"), words, emulator)
        how = " ".join(emulator)
        found.append(Target(name, how, (words[0], emulator[0]), take))
    for core, name in BOARDS.items():
        tools = ("arm-none-eabi-gcc", *emulator_tools(name))
        how, fast = f"{name}, emulated", BUILD / "firmware-O2"
        found.append(Target(core, how, tools, partial(board, name)))
        if name == "pico":
            continue
        take = partial(board, name, build=fast, opt="-O2")
        found.append(Target(f"{core} -O2", f"{how}, built for speed", tools, take))
    return found


def generate() -> None:
    """The amalgamation and both suites; the Makefile of the boards finds them made."""
    short, long = str(BUILD / "short"), str(BUILD / "long")
    if portable.main([short]) or receipt_c.main([short]) or receipt_c.main([long, "--long"]):
        raise Failed("the C was not written")


def attempt(target: Target) -> Found | str:
    """What the target gives, or why it gives nothing."""
    try:
        return target.take()
    except Failed as error:
        return str(error)


def golden(suite: str) -> Receipts:
    """The table of what every machine must give."""
    return parse(GOLDEN["golden_long" if suite == "long" else "golden"].read_text())


def compare(suite: str, found: dict[str, Found]) -> dict[str, list[str]]:
    """Target to the kernels on which it differs from the golden table."""
    wanted = golden(suite)
    differ = {}
    for name, each in found.items():
        ours = each.suites.get(suite, wanted)
        names = [k for k in wanted.keys() | ours.keys() if ours.get(k) != wanted.get(k)]
        if names:
            differ[name] = sorted(names)
    return differ


def table(suite: str, found: dict[str, Found]) -> dict[str, dict[str, str]]:
    """Kernel to target to hash."""
    return {
        kernel: {n: f.suites[suite].get(kernel, "") for n, f in found.items() if suite in f.suites}
        for kernel in golden(suite)
    }


def report(given: list[Target], missing: dict[str, str]) -> bool:
    """Run the targets, print what each gives, write the JSON; whether all is equal."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip([t.name for t in given], pool.map(attempt, given), strict=True))
    found = {name: each for name, each in results.items() if isinstance(each, Found)}
    failed = {name: each for name, each in results.items() if isinstance(each, str)}
    differ = {suite: compare(suite, found) for suite in SUITES}
    counts = {suite: len(golden(suite)) for suite in SUITES}
    for target in given:
        if target.name in failed:
            print(f"{target.name:<16} FAILED {failed[target.name]}")
            continue
        each = found[target.name]
        said = [
            f"{suite} {counts[suite] - len(differ[suite].get(target.name, ()))}/{counts[suite]}"
            for suite in each.suites
        ]
        print(f"{target.name:<16} {', '.join(said):<24} {target.how}  {each.note}".rstrip())
        for suite in SUITES:
            if names := differ[suite].get(target.name):
                print(f"{'':<16} differs ({suite}): {' '.join(names)}")
    equal = not failed and not any(differ.values())
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "equal": equal,
        "targets": list(found),
        "kernels": list(golden("short")),
        "receipts": table("short", found),
        "long": {"kernels": list(golden("long")), "receipts": table("long", found)},
        "differ": differ,
        "failed": failed,
        "missing": missing,
        "rows": [
            {"target": t.name, "how": t.how, "note": found[t.name].note}
            for t in given
            if t.name in found
        ],
    }
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'equal' if equal else 'NOT EQUAL'}: {OUTPUT.relative_to(ROOT)}")
    return equal


def main() -> int:
    """Exit code: 0 where everything that can run here is equal."""
    every = targets()
    missing = {
        t.name: ", ".join(tool for tool in t.tools if not shutil.which(tool))
        for t in every
        if not all(map(shutil.which, t.tools))
    }
    for name, tools in missing.items():
        print(f"{name:<16} left out: {tools} not installed (scripts/setup check)")
    try:
        generate()
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    equal = report([t for t in every if t.name not in missing], missing)
    return int(not equal or (bool(missing) and os.environ.get("CI") == "true"))


if __name__ == "__main__":
    sys.exit(main())
