"""The amalgamation: warning-free C99 without Python, the extension's bytes, clean under sanitizers.

Each compiler that is installed is used; gcc is needed to build the extension, so it always is.
"""

import ctypes
import random
import re
import shutil
import subprocess
from array import array

import pytest

from atoll.kernels import Plan, catalogue, golden, portable
from atoll.kernels.golden_models import golden_models
from atoll.kernels.samples import SIZES

from .conftest import CODES

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-pedantic", "-Werror"]
FLAGS = ["-std=c99", "-ffp-contract=off", *WARNINGS]
CORES = {
    "m0": "-mcpu=cortex-m0 -mfloat-abi=soft",
    "m3": "-mcpu=cortex-m3 -mfloat-abi=soft",
    "m4f": "-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16",
    "m7": "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-d16",
    "m33": "-mcpu=cortex-m33 -mfloat-abi=hard -mfpu=fpv5-sp-d16",
}
HELPERS = re.compile(r"__aeabi_(?!d|.*2d|h)\w+|__gnu_thumb1_\w+|__clzdi2")
LIBRARY = {"memcpy", "memmove", "memset", "sqrtf"}
RATE_HZ = 1000.0
MODELS = golden_models()
PLANS = (
    "moments, minmax, histogram -1000 3000 bins=33, quantiles 0.5 bins=32",
    "distinct p=7, top 5 width=16",
    "window 8 | peak | distinct, top",
    "window 48 hop=20 | detrend line | rms, kurtosis | moments",
    "diff | abs | clip 2 3000 | scale 0.3 | moments",
    "fir lowpass 90 taps=9 | decimate 3 | median 5 | window 16 | slope, autocorr 3, rms",
    "biquad bandpass 100 200 | envelope 50 | ema 0.1 | window 64 hop=20 | taper | rms, goertzel 99",
    "window 256 hop=64 | taper | spectrum | lines 100 210 tol=9 around=50, band 9 99, centroid",
    "window 64 hop=100 | mean, rms, peak, p2p, crest, kurtosis, skewness",
    "window 4 hop=3 | gram fit=2",
    "window 16 | crest, kurtosis, skewness | centroids @centroids",
    "window 6 | merge weight=first",
    "window 16 | crest, kurtosis, skewness | logistic @logistic | moments",
    "window 16 | crest, kurtosis, skewness | tree @tree",
    "window 16 | crest, kurtosis, skewness | tree @leaves give=class | top width=16",
    "window 16 | crest, kurtosis, skewness | mlp @mlp | ewma 0.1",
    "window 16 | crest, kurtosis, skewness | mahalanobis @mahalanobis | novelty 3 | cusum 1",
    "diff | linear 0.5 bias=1 | threshold 3 2 | minmax",
    "channels 3 | diff | median 3 | window 8 hop=3 | rms, mean | minmax",
    "channels 4 | gram",
    "channels 2 | window 8 | gram",
    "channels 3 | window 8 | rms | logistic @logistic",
    "channels 2 | window 16 | spectrum | merge",
    "resample 3 2 half=2 | window 20 hop=7 | zero_crossings, mean | sum, count",
    "window 64 hop=24 | psd 16 | entropy, peaks 3, band 100 300",
    "window 64 | taper flattop | spectrum | mel 5 give=db",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("amalgamation")
    assert portable.main([str(out)]) == 0
    return out


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def undefined(nm, obj, cwd):
    return {line.split()[-1] for line in run(nm, "-u", obj, cwd=cwd).splitlines()}


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compiles_without_a_warning_on_this_machine(folder, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    obj = f"{compiler}.o"
    # Ubuntu's gcc hardens by default, with calls into a libc that a microcontroller has not.
    plain = ["-O2", "-U_FORTIFY_SOURCE", "-fno-stack-protector"]
    run(compiler, *plain, *FLAGS, "-c", "atoll_kernels.c", "-o", obj, cwd=folder)
    assert undefined("nm", obj, folder) <= LIBRARY


# Built for speed they take loops of their own (parts/cortexm.h).
@pytest.mark.parametrize("level", ["-Os", pytest.param("-O2", marks=pytest.mark.slow)])
@pytest.mark.parametrize("core", CORES)
def test_compiles_for_microcontrollers_without_double(folder, core, level):
    compiler = "arm-none-eabi-gcc"
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    flags = [*FLAGS, level, "-mthumb", *CORES[core].split()]
    run(compiler, *flags, "-c", "atoll_kernels.c", "-o", f"{core}.o", cwd=folder)
    names = undefined("arm-none-eabi-nm", f"{core}.o", folder) - LIBRARY
    assert all(HELPERS.fullmatch(name) for name in names), names


def test_every_kernel_is_in_a_plan():
    used = {name for text in PLANS for name in Plan(text, MODELS).kernels}
    assert used == {kernel.name for kernel in catalogue()}


def test_the_header_stands_alone(folder):
    (folder / "alone.c").write_text('#include "atoll_kernels.h"\nint main(void) { return 0; }\n')
    run("gcc", *FLAGS, "alone.c", "-o", "alone", cwd=folder)


def test_nothing_of_python_is_left(folder):
    text = (folder / "atoll_kernels.c").read_text() + (folder / "atoll_kernels.h").read_text()
    assert not re.search(r"\bPy[A-Z_]|__pyx|__Pyx|CYTHON|malloc|\bdouble\b", text)


def test_functions_keep_their_docstrings(folder):
    text = (folder / "atoll_kernels.c").read_text()
    assert "/* floor(sqrt(q)) for q < 2^63" in text


class Native:
    """The amalgamation as a shared object, called as a firmware calls it."""

    def __init__(self, folder):
        run(
            *["gcc", "-O2", "-std=c99", "-ffp-contract=off", "-fPIC", "-shared"],
            *["atoll_kernels.c", "-o", "native.so", "-lm"],
            cwd=folder,
        )
        self._lib = ctypes.CDLL(str(folder / "native.so"))
        self._lib.atoll_plan_size.restype = ctypes.c_size_t

    def run(self, plan, dtype, samples, chunk):
        words = plan.words(dtype, RATE_HZ)
        n = len(words) // 4
        size = self._lib.atoll_plan_size(words, ctypes.c_size_t(n))
        state = (ctypes.c_uint64 * (size // 8 + 1))()
        assert (
            self._lib.atoll_plan_init(state, ctypes.c_size_t(size), words, ctypes.c_size_t(n)) == 0
        )
        rows = (ctypes.c_float * 65536)()
        data, wide, out = samples.tobytes(), SIZES[dtype] * plan.channels, b""
        width = ctypes.c_uint32()
        for at in range(0, len(samples) // plan.channels, chunk):
            piece = data[at * wide : (at + chunk) * wide]
            count, room = ctypes.c_size_t(len(piece) // wide), ctypes.c_size_t(65536)
            assert self._lib.atoll_plan_push(state, piece, count, rows, room) == 0
            taken = self._lib.atoll_plan_take_rows(state, ctypes.byref(width))
            out += bytes(rows)[: 4 * taken * width.value]
        if plan.rows:
            return out
        buffer, used = ctypes.create_string_buffer(2 * size + 64), ctypes.c_size_t()
        room = ctypes.c_size_t(len(buffer))
        assert self._lib.atoll_plan_partial(state, buffer, room, ctypes.byref(used)) == 0
        return buffer.raw[: used.value]


@pytest.mark.parametrize("dtype", CODES)
def test_gives_the_extensions_bytes(folder, dtype):
    native = Native(folder)
    samples = array(CODES[dtype])
    for case in golden.CASES:
        samples.frombytes(golden.vector(dtype, case))
    for text in PLANS:
        plan = Plan(text, MODELS)
        machine = plan.machine(dtype, RATE_HZ)
        frames = len(samples) // plan.channels
        rows = machine.push(samples, 0, frames, frames)
        expected = rows if plan.rows else machine.partial()
        for chunk in (1, 77, len(samples)):
            assert native.run(plan, dtype, samples, chunk) == expected


MAIN = """
#include "atoll_kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* stdin: words n, their bytes, dtype size, samples n, their bytes, damaged partials n, each size
 * and bytes. Runs, writes the partial, absorbs it and every damaged one. */
static uint32_t number(void) { uint32_t x; return fread(&x, 4, 1, stdin) == 1 ? x : 0; }
static void *bytes(size_t n) {
    void *data = malloc(n ? n : 1);
    if (fread(data, 1, n, stdin) != n) exit(3);
    return data;
}
int main(void) {
    uint32_t n = number();
    uint32_t *words = bytes(4 * n);
    size_t size = atoll_plan_size(words, n), used = 0;
    struct atoll_plan *plan = malloc(size), *other = malloc(size);
    uint32_t wide = number(), count = number(), damaged;
    unsigned char *samples = bytes((size_t)wide * count), *out = malloc(2 * size + 64);
    float *rows = malloc(4 * 65536);
    if (size == 0 || atoll_plan_init(plan, size, words, n)) return 1;
    for (uint32_t at = 0; at < count; at += 61) {
        uint32_t m = count - at < 61 ? count - at : 61;
        if (atoll_plan_push(plan, samples + (size_t)at * wide, m, rows, 65536)) return 1;
    }
    if (atoll_plan_partial(plan, out, 2 * size + 64, &used)) return 1;
    atoll_plan_init(other, size, words, n);
    if (atoll_plan_absorb(other, out, used) || atoll_plan_absorb(other, out, used)) return 2;
    damaged = number();
    while (damaged--) {
        uint32_t length = number();
        unsigned char *partial = bytes(length);
        atoll_plan_init(other, size, words, n);
        atoll_plan_absorb(other, partial, length);
        atoll_plan_partial(other, out, 2 * size + 64, &used);
        free(partial);
    }
    free(words); free(plan); free(other); free(samples); free(out); free(rows);
    return 0;
}
"""


@pytest.fixture(scope="module")
def checked(folder):
    (folder / "main.c").write_text(MAIN)
    flags = ["-g", "-O1", "-std=c99", "-ffp-contract=off"]
    # Not in `undefined`: a float beyond an integer gives other bits on other machines.
    flags.append("-fsanitize=address,undefined,float-cast-overflow")
    built = ["gcc", *flags, "-fno-sanitize-recover=all", "main.c", "atoll_kernels.c", "-lm"]
    run(*built, "-o", "checked", cwd=folder)
    return folder / "checked"


@pytest.mark.slow
def test_clean_under_sanitizers(checked):
    chance = random.Random(17)
    for dtype, wide in SIZES.items():
        data = b"".join(golden.vector(dtype, case) for case in golden.CASES)
        for text in PLANS:
            plan = Plan(text, MODELS)
            words = plan.words(dtype, RATE_HZ)
            machine = plan.machine(dtype, RATE_HZ)
            frame = wide * plan.channels
            machine.push(data, 0, len(data) // frame, len(data))
            good = machine.partial()
            fed = [array("I", [len(words) // 4]).tobytes(), words]
            fed += [array("I", [frame, len(data) // frame]).tobytes(), data]
            fed.append(array("I", [200]).tobytes())
            for _ in range(200):
                bad = bytearray(good)
                for _ in range(chance.randint(1, 4)):
                    bad[chance.randrange(12, len(bad))] = chance.randrange(256)
                bad = bad[: chance.randint(12, len(bad))]
                fed += [array("I", [len(bad)]).tobytes(), bytes(bad)]
            done = subprocess.run([checked], input=b"".join(fed), capture_output=True)
            assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("text", PLANS)
def test_damaged_programs_are_refused_or_run_clean(checked, text):
    """A microcontroller takes its program from the wire: any words at all."""
    chance = random.Random(19)
    no_leaks = {"ASAN_OPTIONS": "detect_leaks=0"}  # the program ends where it is refused
    words = array("I", Plan(text, MODELS).words("f32", RATE_HZ))
    data = golden.vector("f32", "extreme")
    for _ in range(25):
        bad = words[:]
        for _ in range(chance.randint(1, 3)):
            # The channels stay, because the samples fed below are cut by them.
            at = chance.choice([k for k in range(len(bad)) if not 5 <= k <= 7])
            bad[at] = chance.choice(
                (0, 1, 2, 255, 2**31, 2**32 - 1, bad[at] ^ 1 << chance.randrange(32))
            )
        frame = 4 * Plan(text, MODELS).channels
        fed = [array("I", [len(bad)]), bad, array("I", [frame, len(data) // frame]), data]
        fed.append(array("I", [0]))
        done = subprocess.run(
            [checked], input=b"".join(map(bytes, fed)), capture_output=True, env=no_leaks
        )
        assert done.stderr == b"", done.stderr.decode()


def test_usage():
    assert portable.main([]) == 2
    assert portable.main(["--help"]) == 2
