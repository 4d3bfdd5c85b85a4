"""Boards of other machines: a wheel installed for each as pip would choose it, and qemu-user to run
its userland's Python in.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FULL = os.environ.get("ATOLL_ARM") == "full"  # `make test-arm`: every test that can run there
MACHINES = {
    "aarch64": ("qemu-aarch64", "cortex-a53"),
    "armv7l": ("qemu-arm", "cortex-a7"),
}
# A 32-bit board takes the pure Python cbor2: later ones need a compiler there.
NEEDS = ("paho-mqtt>=1.6,<3", "cbor2>=5.4,<6")
# What tests need and the wheel does not: pure Python, so that ours are theirs.
TOOLS = (
    "pytest",
    "_pytest",
    "pluggy",
    "iniconfig",
    "packaging",
    "pygments",
    "py.py",
    "pytest_timeout.py",
)


def need(*tools):
    """Skip, or fail in CI, where one of the tools is missing."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing: make setup")


def install(name, folder):
    """How a program of the machine is run: the words of a Python of it that has the wheel."""
    emulator, cpu = MACHINES[name]
    need(emulator, "mmdebstrap")
    build = [sys.executable, str(ROOT / "scripts/wheels.py"), name]
    done = subprocess.run(build, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (ROOT / "dist").glob(f"atoll-*-cp311-abi3-manylinux_*_{name}.whl")
    target = folder / "site"
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    words += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--no-compile"]
    # pip takes a platform by its word, older ones are not implied.
    for libc in range(17, 37):
        words.append(f"--platform=manylinux_2_{libc}_{name}")
    subprocess.run([*words, str(wheel), *NEEDS], check=True)
    root = ROOT / "build/arm/root" / name
    program = (emulator, "-cpu", cpu, "-L", str(root), "-E", f"PYTHONPATH={target}")
    return (*program, str(root / "usr/bin/python3.11"), "-P")


def tools(folder):
    """A folder with what runs tests, for any machine."""
    folder.mkdir()
    places = [Path(pytest.__file__).parents[1]]
    for name in TOOLS:
        (place,) = [place / name for place in places if (place / name).exists()]
        (folder / name).symlink_to(place)
    return folder


def output(board, *words):
    """What a program prints there."""
    done = subprocess.run([*board, *words], text=True, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout
