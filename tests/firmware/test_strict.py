"""The common C is clean under every warning of the project, with every compiler."""

import pytest

EVERY = {"M0", "M3", "M4", "M7", "M33"}


def test_gcc(firmware):
    firmware.make("strict-gcc")


def test_sources_know_no_heap_and_no_libm(firmware):
    """What the common code takes from outside: functions over bytes and nothing else."""
    firmware.need("nm")
    firmware.make("strict-gcc")
    undefined = firmware.symbols("gcc", "U")
    ours = firmware.symbols("gcc", "TDRBC")
    foreign = undefined - ours - {"_GLOBAL_OFFSET_TABLE_"}
    foreign = {name for name in foreign if not name.startswith(("atoll_plan_", "atoll_kernel_"))}
    assert foreign <= {"memcpy", "memset", "memcmp", "memmove", "strlen"}, foreign
    assert all(name.startswith("atoll_") for name in ours), ours
    assert not firmware.symbols("gcc", "dbBDC"), "state that changes and is not the caller's"


@pytest.mark.emulator
def test_clang(firmware):
    firmware.need("clang")
    firmware.make("strict-clang")


@pytest.mark.emulator
@pytest.mark.parametrize("core", sorted(EVERY))
def test_cross(firmware, core):
    firmware.need("arm-none-eabi-gcc")
    firmware.make(f"strict-{core}")
