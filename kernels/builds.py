"""Which build of the compiled kernels this process runs: `base`, or `avx2` where there is AVX2.

Both come of one source and give the same bits (tests/kernels/test_builds.py holds their receipts
against each other); a process loads one of them, because each takes memory. ATOLL_KERNELS=base or
avx2 decides instead of the machine. Only x86-64 has a second build: its base is the SSE2 of 2003,
while the compilers' bases for ARM already use what those machines have.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from atoll.kernels.errors import KernelError

VARIABLE = "ATOLL_KERNELS"
MODULES = {"base": "atoll.kernels._native", "avx2": "atoll.kernels._native_avx2"}
CPUINFO = "/proc/cpuinfo"


def has_avx2(path: str = CPUINFO) -> bool:
    """Whether processor and kernel offer AVX2: the first `flags` line says so. x86 only has one."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("flags"):
                    return "avx2" in line.split()
    except OSError:
        pass
    return False


def choose(forced: str, *, offered: bool) -> tuple[str, Any]:
    """The build's name and module. `forced`: what ATOLL_KERNELS says; `offered`: whether AVX2 is.

    KernelError where the build that is forced cannot run here.
    """
    if forced and forced not in MODULES:
        raise KernelError(f"{VARIABLE}={forced}: the builds are {' and '.join(MODULES)}")
    if forced == "avx2" and not offered:
        raise KernelError(f"{VARIABLE}=avx2: this machine has no AVX2; unset it, or say base")
    if offered and forced != "base":
        try:
            return "avx2", import_module(MODULES["avx2"])
        except ModuleNotFoundError:
            # The compiler had no such flag: setup.py went on without.
            if forced:
                raise KernelError(f"{VARIABLE}=avx2: the build is not installed") from None
    return "base", import_module(MODULES["base"])


if TYPE_CHECKING:
    from atoll.kernels._native import Machine as Machine
    from atoll.kernels._native import add_user as add_user
    from atoll.kernels._native import memory_sizes as memory_sizes
    from atoll.kernels._native import state_size as state_size

    BUILD: str
else:
    BUILD, _native = choose(os.environ.get(VARIABLE, ""), offered=has_avx2())
    Machine, state_size = _native.Machine, _native.state_size
    memory_sizes = _native.memory_sizes
    add_user = _native.add_user
