"""A plan's cost is known before it runs."""

import shutil
import subprocess

import pytest

from atoll.kernels import Plan, PlanError, cost, portable

from .test_portable import CORES


def test_ram_grows_with_the_window_and_the_bins():
    small, large = Plan("window 256 | rms | count").cost(), Plan("window 1024 | rms | count").cost()
    assert large.ram_bytes - small.ram_bytes == 768 * 4
    bins = Plan("histogram 0 1 bins=128").cost().ram_bytes - Plan("histogram 0 1").cost().ram_bytes
    assert bins == 64 * 12


def test_the_smallest_useful_sets_fit_beside_their_window():
    for text in ("window 256 | rms | moments", "window 256 | rms | quantiles 0.5 bins=64"):
        ram = Plan(text).cost(dtype="i16").ram_bytes
        assert ram - 512 <= 2048


def test_overlapping_windows_cost_more():
    once, twice = Plan("window 64 | rms").cost(), Plan("window 64 hop=32 | rms").cost()
    assert twice.ops_per_sample == 2 * once.ops_per_sample


def test_boards():
    assert Plan("moments").cost("m0").flash_bytes > 0
    with pytest.raises(PlanError, match="m4f"):
        Plan("moments").cost("z80")


def test_more_kernels_take_more_flash():
    plans = (
        "count",
        "moments",
        "window 8 | rms | moments",
        "window 8 | rms | moments, quantiles 0",
    )
    sizes = [Plan(text).cost("m0").flash_bytes for text in plans]
    assert sizes == sorted(set(sizes))
    assert sum(part[0] for part in cost.FLASH.values()) < 96 * 1024


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is missing")
@pytest.mark.parametrize(("column", "core"), list(enumerate(["m0", "m3", "m4f"])))
def test_flash_is_what_the_compiler_makes(tmp_path, column, core):
    assert portable.main([str(tmp_path)]) == 0
    flags = ["-std=c99", "-ffp-contract=off", "-Os", "-mthumb", *CORES[core].split()]
    command = ["arm-none-eabi-gcc", *flags, "-c", "atoll_kernels.c", "-o", "all.o"]
    subprocess.run(command, cwd=tmp_path, check=True)
    shown = subprocess.run(
        ["arm-none-eabi-size", "all.o"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    measured = int(shown.stdout.splitlines()[1].split()[0])
    told = sum(part[column] for part in cost.FLASH.values())
    assert abs(told / measured - 1) < 0.1
