"""Wheels for x86-64, aarch64, armv7l and armv6l, cross-built on any of them: `dist/*.whl`.

One wheel a machine for Python 3.11 and every later version (the stable ABI). Debian's cross
compilers build them against the headers of the machine's own userland (arm_roots.py), and zig the
one for ARMv6 (zig.py); nothing is compiled under an emulator. auditwheel finds the oldest C library
that a wheel runs on, and puts it into the tag; that of ARMv6, which it does not know,
stays `linux_armv6l`.

    python scripts/wheels.py [MACHINE ...]
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import zig
from arm_roots import MACHINES, PYTHON, Machine, make_root
from dist import check_wheel, clean_copy

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "dist"
# Words of an ELF header, as `readelf -h` prints them, by machine.
ELF_MACHINES = {"x86_64": "X86-64", "aarch64": "AArch64", "armv7l": "ARM", "armv6l": "ARM"}
# What `readelf -A` must say of a module for a Pi Zero: no later instruction, floats in registers.
ARMV6 = ("Tag_CPU_arch: v6", "Tag_FP_arch: VFPv2", "Tag_ABI_VFP_args: VFP registers")
NEEDED = ("atoll/kernels/_native.abi3.so", "atoll/gateway/_native.abi3.so")


def compiler(machine: Machine) -> str:
    """The command that compiles for a machine; ends the program with a line where there is none."""
    if machine.zig:
        return " ".join(zig.target(*machine.zig))
    if shutil.which(machine.compiler) is None:
        sys.exit(f"wheels: {machine.compiler} is missing: make setup installs it")
    return machine.compiler


def environment(machine: Machine, folder: Path) -> dict[str, str]:
    """What makes setuptools build for another machine: its compiler, its Python's settings."""
    cc = compiler(machine)
    settings = f"_sysconfigdata__{machine.triplet}"
    own = folder / "settings"
    own.mkdir()
    shutil.copy(machine.root / "usr/lib" / PYTHON / f"{settings}.py", own)
    include = machine.root / "usr/include"
    # The headers of Python alone, else those of the C library would hide the compiler's.
    headers = folder / "include"
    (headers / machine.triplet).mkdir(parents=True)
    (headers / PYTHON).symlink_to(include / PYTHON)
    (headers / machine.triplet / PYTHON).symlink_to(include / machine.triplet / PYTHON)
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {
        "_PYTHON_HOST_PLATFORM": f"linux-{machine.name}",
        "_PYTHON_SYSCONFIGDATA_NAME": settings,
        "PYTHONPATH": str(own),
        "ATOLL_ABI3": "1",
        "CC": cc,
        "LDSHARED": f"{cc} -shared -s",
        "CFLAGS": " ".join((*machine.flags, f"-I{headers / PYTHON}", f"-I{headers}")),
    }


def run(words: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command; its output, or the end of this program."""
    done = subprocess.run(
        words, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"wheels: failed ({done.returncode}): {' '.join(words)}")
    return done.stdout


def build(machine: Machine, folder: Path) -> Path:
    """Build one machine's wheel from a clean copy in `folder`; its tag is still `linux_MACHINE`."""
    make_root(machine)
    source = folder / "source"
    source.mkdir()
    clean_copy(source)
    out = folder / "out"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    run(
        [*pip, "--no-deps", "--no-build-isolation", "-w", str(out), "."],
        cwd=source,
        env=environment(machine, folder),
    )
    (wheel,) = out.glob("*.whl")
    return wheel


def check_machine(wheel: Path, machine: Machine, folder: Path) -> None:
    """Every compiled module is of this machine, and asks for nothing but the stable ABI."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".so")]
        archive.extractall(folder, names)
    if missing := sorted(set(NEEDED) - set(names)):
        sys.exit(f"wheels: {wheel.name} lacks {', '.join(missing)}")
    for name in names:
        header = run(["readelf", "-h", name], cwd=folder)
        if ELF_MACHINES[machine.name] not in header:
            sys.exit(f"wheels: {name} is not of {machine.name}")
        if machine.name == "armv6l":
            shown = " ".join(run(["readelf", "-A", name], cwd=folder).split())
            if lacking := [words for words in ARMV6 if words not in shown]:
                sys.exit(f"wheels: {name} has no {', '.join(lacking)}")
        if "abi3" not in name:
            sys.exit(f"wheels: {name} is for one version of Python only")


def tagged(wheel: Path, machine: Machine, out: Path) -> Path:
    """The wheel with the oldest C library that it runs on in its tag."""
    if machine.zig:
        return wheel
    words = [sys.executable, "-m", "auditwheel"]
    shown = run([*words, "show", str(wheel)], cwd=out)
    found = re.search(rf'"(manylinux_2_\d+_{machine.name})"', shown)
    if found is None:
        sys.exit(f"wheels: {wheel.name}: no manylinux tag fits: {' '.join(shown.split())}")
    words = [sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", found[1]]
    run([*words, str(wheel)], cwd=out)
    (made,) = wheel.parent.glob("*.whl")
    return made


def main() -> None:
    """Build the wheels that are asked for, check them, and keep them in dist/."""
    parser = argparse.ArgumentParser(description="cross-build wheels into dist/")
    parser.add_argument("machines", nargs="*", metavar="MACHINE", help=" ".join(MACHINES))
    asked = parser.parse_args().machines or list(MACHINES)
    for name in asked:
        if name not in MACHINES:
            parser.error(f"no machine {name!r}: one of {', '.join(MACHINES)}")
    OUT.mkdir(exist_ok=True)
    for name in asked:
        machine = MACHINES[name]
        with tempfile.TemporaryDirectory(prefix="atoll-wheel-") as text:
            folder = Path(text)
            wheel = build(machine, folder)
            check_wheel(wheel)
            (folder / "so").mkdir()
            check_machine(wheel, machine, folder / "so")
            wheel = tagged(wheel, machine, folder)
            for old in OUT.glob(f"*-abi3-*linux_*{name}.whl"):
                old.unlink()
            shutil.copy2(wheel, OUT / wheel.name)
            print(f"wheels: {wheel.name} {wheel.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
