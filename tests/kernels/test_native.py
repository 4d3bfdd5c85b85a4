"""The compiled module: it is the one imported, its flags are the contract's, its edges hold."""

import ctypes
import platform
import shutil
import subprocess
import sys
from array import array

import pytest

from atoll.kernels import KernelError, Plan, _native

SET_FLUSH_TO_ZERO = """
#include <xmmintrin.h>
unsigned swap(unsigned mode) { unsigned old = _mm_getcsr(); _mm_setcsr(mode); return old; }
"""


def test_the_compiled_module_is_the_one_in_use():
    assert _native.__file__.endswith(".so")
    with pytest.raises(AttributeError):
        Plan("sum").machine("i16").other = 1


def test_products_are_not_fused():
    # x by is 1 + 2^-11 + 2^-24: rounded to 1 + 2^-11 before the addition, or not at all.
    x = 1 + 2.0**-12
    assert Plan(f"scale {x!r} {-(1 + 2.0**-11)!r} | sum").run(array("f", [x])) == {"sum": 0.0}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="sets the mode by an SSE instruction")
@pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is missing")
def test_flush_to_zero_of_another_library_does_not_reach_kernels(tmp_path):
    (tmp_path / "mode.c").write_text(SET_FLUSH_TO_ZERO)
    command = ["gcc", "-shared", "-fPIC", "mode.c", "-o", "mode.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library, plan = ctypes.CDLL(str(tmp_path / "mode.so")), Plan("scale 1e-20 | sum")
    tiny = array("f", [1e-20])
    expected = plan.run(tiny)
    assert 0 < expected["sum"] < 2.0**-126
    flush = 0x9FC0  # flush to zero, denormals are zero, exceptions masked
    old = library.swap(flush)
    try:
        partial = plan.partial(tiny)
        left = library.swap(old)
    finally:
        library.swap(old)
    assert plan.finish(partial) == expected
    assert left & flush == flush  # and the other library finds its mode again


def test_ranges_are_checked_against_the_buffer():
    machine = Plan("sum").machine("i16")
    for start, count in ((-1, 1), (0, 9), (8, 1), (0, -1)):
        with pytest.raises(KernelError, match="end before"):
            machine.push(array("h", range(8)), start, count, 0)


@pytest.mark.parametrize("words", [b"", b"\0" * 20, b"\xff" * 64, bytes(range(80))])
def test_programs_that_are_none_are_refused(words):
    assert _native.state_size(words) == 0
    with pytest.raises(KernelError, match="program"):
        _native.Machine(words)


def test_damaged_programs_are_refused_or_run():
    import random

    chance, good = random.Random(31), Plan("diff | window 8 hop=3 | rms | moments").words("i16")
    for _ in range(2000):
        words = array("I", good)
        for _ in range(chance.randint(1, 3)):
            words[chance.randrange(len(words))] = chance.choice(
                (0, 1, 5, 33, 64, 100, 2**20, 2**31)
            )
        try:
            machine = _native.Machine(words.tobytes())
        except KernelError:
            continue
        machine.push(bytes(4 * 64), 0, 32, 64)


def test_state_is_what_the_program_says():
    plan = Plan("window 64 | rms | moments")
    assert _native.state_size(plan.words("i16")) == plan.cost(dtype="i16").ram_bytes


def test_the_module_needs_little():
    code = (
        "import sys; before = set(sys.modules); from atoll.kernels import Plan;"
        "Plan('window 4 | rms | moments').partial(b'12345678', dtype='i16');"
        "print(*sorted(m for m in set(sys.modules) - before if not m.startswith('atoll')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "dataclasses", "inspect", "fractions", "decimal", "asyncio", "difflib"}
    assert heavy.isdisjoint(done.stdout.split())
