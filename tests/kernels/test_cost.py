"""A plan's cost is known before it runs."""

import shutil
import struct
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "moments",
        "window 256 | rms, peak | quantiles 0.5",
        "fir lowpass 100 taps=63 | decimate 4 | window 64 hop=32 | taper | spectrum",
        "resample 3 2 | window 64 | psd 32 | band 100 200 | minmax",
        "channels 3 | diff | window 32 | rms | ewma | top",
    ],
)
def test_ram_is_what_the_interpreter_really_uses(text, tmp_path):
    """In C, in a block of as many bytes, with a guard behind: all but a tenth of it is written to,
    and nothing behind it.
    """
    plan = Plan(text)
    used, told = written_to(plan, tmp_path), plan.cost().ram_bytes
    assert 0.9 * told <= used <= told


WRITTEN = """\
#include "atoll_kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const uint32_t words[] = {%s};
static uint64_t memory[2][%d + 8];
static float samples[8192], rows[1 << 20];
static uint8_t out[1 << 20];
int main(void) {
    size_t n = sizeof words / 4, size = atoll_plan_size(words, n), used = 0, k, touched = 0;
    uint32_t run;
    for (k = 0; k < 8192; k++) samples[k] = (float)((k * 7919u + k * k) %% 2003u) - 1000.0f;
    for (run = 0; run < 2; run++) {
        size_t at = 0, step = %d;
        struct atoll_plan *p = (struct atoll_plan *)(void *)memory[run];
        memset(memory[run], run ? 0xFF : 0, sizeof memory[run]);
        if (atoll_plan_init(memory[run], size, words, n)) return 1;
        for (; at + 300 * step < 8192; at += 300 * step) {
            uint32_t width;
            if (atoll_plan_push(p, samples + at, 300, rows, 1 << 20)) return 2;
            (void)atoll_plan_take_rows(p, &width);
        }
        if (atoll_plan_partial(p, out, sizeof out, &used)) return 3;
    }
    for (k = size; k < sizeof memory[0]; k++)
        if (((uint8_t *)memory[0])[k] != 0 || ((uint8_t *)memory[1])[k] != 0xFF) return 4;
    for (k = 0; k < size; k++) touched += ((uint8_t *)memory[0])[k] == ((uint8_t *)memory[1])[k];
    printf("%%zu\\n", touched);
    return 0;
}
"""


def written_to(plan, folder):
    """Bytes of the state that hold the same after a run, whatever stood there before."""
    assert portable.main([str(folder)]) == 0
    words = struct.unpack(f"<{len(plan.words('f32', 1000.0)) // 4}I", plan.words("f32", 1000.0))
    size = plan.cost().ram_bytes // 8
    shown = ",".join(f"{word}u" for word in words)
    (folder / "main.c").write_text(WRITTEN % (shown, size, plan.channels))
    # As on a board: where stacks are roomy, the state's chunks stand by.
    command = ["gcc", "-DATOLL_ROOMY=0", "-std=c99", "-ffp-contract=off", "-O1"]
    command += ["main.c", "atoll_kernels.c", "-lm"]
    subprocess.run([*command, "-o", "main"], cwd=folder, check=True)
    return int(subprocess.run([folder / "main"], check=True, capture_output=True).stdout)


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


@pytest.mark.slow
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
