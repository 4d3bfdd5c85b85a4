"""Boards of other machines: a wheel installed for each as pip would choose it, and qemu-user to run
its userland's Python in.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import wheels

import arm_roots

ROOT = Path(__file__).resolve().parents[2]
FULL = os.environ.get("ATOLL_ARM") == "full"  # `make test-arm`: every test that can run there
MACHINES = {name: arm_roots.MACHINES[name] for name in ("aarch64", "armv7l")}
# A Pi Zero's processor under Debian's armel, as Raspbian's own userland is not to be had. It takes
# minutes, of which `make test-arm` has some.
if FULL:
    MACHINES["stand-in"] = arm_roots.STAND_IN
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
    machine = MACHINES[name]
    need(machine.qemu, "mmdebstrap")
    wheel = _wheel(machine, folder)
    target = folder / "site"
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target)]
    words += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--no-compile"]
    # pip takes a platform by its word, older ones are not implied.
    words.append(f"--platform=linux_{machine.name}")
    for libc in range(17, 37):
        words.append(f"--platform=manylinux_2_{libc}_{machine.name}")
    subprocess.run([*words, str(wheel), *NEEDS], check=True)
    program = (machine.qemu, "-cpu", machine.cpu, "-L", str(machine.root))
    return (*program, "-E", f"PYTHONPATH={target}", str(machine.python), "-P")


def _wheel(machine, folder):
    """Built as `make wheels` does it; the stand-in's is no product, and stays here."""
    if machine is arm_roots.STAND_IN:
        (folder / "build").mkdir()
        return wheels.build(machine, folder / "build")
    build = [sys.executable, str(ROOT / "scripts/wheels.py"), machine.name]
    done = subprocess.run(build, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (ROOT / "dist").glob(f"atoll-*-cp311-abi3-manylinux_*_{machine.name}.whl")
    return wheel


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
