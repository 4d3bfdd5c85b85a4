"""A plan's cost is known before it runs."""

import shutil
import struct
import subprocess

import pytest

from atoll.kernels import Plan, PlanError, catalogue, cost, portable
from atoll.kernels.golden_models import golden_models
from atoll.kernels.receipt import SHORT

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


RAM_PLANS = (
    "moments",
    "window 256 | rms, peak | quantiles 0.5",
    "fir lowpass 100 taps=63 | decimate 4 | window 64 hop=32 | taper | spectrum",
    "resample 3 2 | window 64 | psd 32 | band 100 200 | minmax",
    "channels 3 | diff | window 32 | rms | ewma | top",
    "channels 2 | window 16 | spectrum | merge",
    "window 16 | crest, kurtosis | linear 1 2 | threshold 1 | sum",
)


@pytest.mark.slow
def test_ram_is_what_the_interpreter_really_uses(tmp_path):
    """In C, in a block of as many bytes, with a guard behind: all but a tenth of it is written to,
    and nothing behind it. Plans of every kernel, each dtype.
    """
    assert portable.main([str(tmp_path)]) == 0
    (tmp_path / "main.c").write_text(WRITTEN)
    # As on a board: where stacks are roomy, the state's chunks stand by.
    command = ["gcc", "-DATOLL_ROOMY=0", "-std=c99", "-ffp-contract=off", "-O1"]
    subprocess.run(
        [*command, "main.c", "atoll_kernels.c", "-lm", "-o", "main"], cwd=tmp_path, check=True
    )
    models = golden_models()
    texts = [*RAM_PLANS, *(text for some in SHORT.plans().values() for text in some)]
    for plan in (Plan(text, models) for text in texts):
        for code, dtype in enumerate(("i16", "i32", "f32"), 1):
            words = plan.words(dtype, 1000.0)
            head = struct.pack("<3I", len(words) // 4, plan.channels, code)
            done = subprocess.run([tmp_path / "main"], input=head + words, capture_output=True)
            assert done.returncode == 0, (plan.text, dtype, done.returncode)
            size, used = map(int, done.stdout.split())
            told = plan.cost(dtype=dtype).ram_bytes
            assert size == told, plan.text
            assert 0.9 * told <= used <= told, (plan.text, dtype, used, told)


# stdin: words n, channels, dtype, the words. Runs once over memory of zeros and once over ones:
# what is then the same in both was written to. stdout: bytes that are needed, and bytes written.
WRITTEN = """\
#include "atoll_kernels.h"
#include <stdio.h>
#include <string.h>
#define COUNT (32 * 1024)
static uint32_t words[8192], head[3];
static uint64_t memory[2][1 << 17];
static union { int16_t i16[COUNT]; int32_t i32[COUNT]; float f32[COUNT]; } samples;
static float rows[1 << 20];
static uint8_t out[1 << 20];
static const uint32_t pieces[3] = {1, 77, 300};
static void fill(void) {
    size_t k;
    for (k = 0; k < COUNT; k++) {
        int32_t x = (int32_t)((k * 7919u + k * k) % 2003u) - 1000;
        if (head[2] == 1) samples.i16[k] = (int16_t)x;
        else if (head[2] == 2) samples.i32[k] = x;
        else samples.f32[k] = (float)x;
    }
}
int main(void) {
    size_t size, used = 0, k, touched = 0, wide;
    uint32_t run;
    if (fread(head, 4, 3, stdin) != 3 || fread(words, 4, head[0], stdin) != head[0]) return 9;
    size = atoll_plan_size(words, head[0]);
    wide = head[1] * (head[2] == 1 ? 2 : 4);
    fill();
    for (run = 0; run < 2; run++) {
        size_t at = 0;
        struct atoll_plan *p = (struct atoll_plan *)(void *)memory[run];
        memset(memory[run], run ? 0xFF : 0, sizeof memory[run]);
        if (atoll_plan_init(memory[run], size, words, head[0])) return 1;
        for (k = 0; at + 300 <= COUNT / head[1]; k++) {
            uint32_t width, m = pieces[k % 3];
            if (atoll_plan_push(p, (uint8_t *)&samples + at * wide, m, rows, 1 << 20)) return 2;
            (void)atoll_plan_take_rows(p, &width);
            at += m;
        }
        if (atoll_plan_partial(p, out, sizeof out, &used)) return 3;
    }
    for (k = size; k < sizeof memory[0]; k++)
        if (((uint8_t *)memory[0])[k] != 0 || ((uint8_t *)memory[1])[k] != 0xFF) return 4;
    for (k = 0; k < size; k++) touched += ((uint8_t *)memory[0])[k] == ((uint8_t *)memory[1])[k];
    printf("%zu %zu\\n", size, touched);
    return 0;
}
"""


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
    assert cost.flash_bytes(catalogue(), "m0") < 96 * 1024


def test_every_part_is_in_the_table():
    assert cost.parts(catalogue()) == cost.TABLE.keys()


# Builds of some sets; the table was fitted to many more (benchmarks/flash_table.py).
FLASH_PLANS = (
    "abs | sum",
    "window 256 | rms | moments, minmax, quantiles 0.5",
    "biquad bandpass 100 200 | envelope | window 64 | detrend | taper | spectrum | lines 90",
    "window 16 | crest, kurtosis, skewness | logistic @logistic | threshold 0.5 | minmax",
)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="arm-none-eabi-gcc is missing")
@pytest.mark.parametrize("text", [None, *FLASH_PLANS])
def test_flash_is_what_the_compiler_makes(tmp_path, text):
    """Within a tenth, of builds with the plan's kernels alone; None is the whole catalogue."""
    plan = Plan(text, golden_models()) if text else None
    portable.write(tmp_path, plan.kernels if plan else None)
    for core in ("m0", "m3", "m4f"):
        flags = ["-std=c99", "-ffp-contract=off", "-Os", "-mthumb", *CORES[core].split()]
        command = ["arm-none-eabi-gcc", *flags, "-c", "atoll_kernels.c", "-o", "all.o"]
        subprocess.run(command, cwd=tmp_path, check=True)
        command = ["arm-none-eabi-size", "all.o"]
        shown = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        measured = int(shown.stdout.splitlines()[1].split()[0])
        told = plan.cost(core).flash_bytes if plan else cost.flash_bytes(catalogue(), core)
        assert abs(told / measured - 1) < 0.1, (core, told, measured)
