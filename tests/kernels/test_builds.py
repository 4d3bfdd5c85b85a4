"""The builds of the compiled kernels: the same bits, one of them in a process, a clear choice."""

import os
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from atoll.kernels import KernelError, Plan, builds

GOLDEN = Path(__file__).with_name("golden.txt").read_text()
RECEIPTS = """
import sys
from array import array
from atoll.kernels import receipts
for name, digest in sorted(receipts().items()):
    print(name, digest.hex())
print(*(name for name in sys.modules if name.startswith("atoll.kernels._native")), file=sys.stderr)
"""
# Long enough for whole vectors and their rests, with values of every size.
STREAMS = """
from array import array
from atoll.kernels import Plan, golden
for dtype, code in (("i16", "h"), ("i32", "i"), ("f32", "f")):
    for text in (
        "moments, minmax, quantiles 0.5", "histogram -3000 3000 bins=99, sum",
        "window 147 hop=60 | mean, rms, peak, p2p, crest, kurtosis, skewness, zero_crossings",
        "fir lowpass 90 taps=33 | diff | median 5 | abs | moments", "clip -9 99 | scale 3 | sum",
        "window 256 hop=64 | detrend line | taper flattop | spectrum",
    ):
        plan = Plan(text)
        for case in golden.CASES:
            samples = array(code, golden.vector(dtype, case)) * 7
            print(plan.partial(samples, 1000.0).hex())
"""
HERE = pytest.mark.skipif(not builds.has_avx2(), reason="this machine has no AVX2")


def output(build, code):
    environment = {**os.environ, builds.VARIABLE: build}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.split()


@pytest.mark.parametrize("build", ["base", pytest.param("avx2", marks=HERE)])
def test_each_build_gives_the_golden_receipts_and_is_alone(build):
    receipts, modules = output(build, RECEIPTS)
    assert sorted(receipts.splitlines()) == sorted(GOLDEN.splitlines())
    assert modules == [builds.MODULES[build]]


@HERE
def test_both_builds_give_the_same_bytes():
    assert output("base", STREAMS) == output("avx2", STREAMS)


@HERE
def test_the_widest_build_is_chosen():
    name, module = builds.choose("", offered=True)
    assert (name, module.__name__) == ("avx2", builds.MODULES["avx2"])


def test_the_base_runs_where_there_is_nothing_else(monkeypatch):
    assert builds.choose("", offered=False)[0] == "base"
    assert builds.choose("base", offered=True)[0] == "base"
    monkeypatch.setitem(builds.MODULES, "avx2", "atoll.kernels._native_none")
    assert builds.choose("", offered=True)[0] == "base"
    with pytest.raises(KernelError, match="not installed"):
        builds.choose("avx2", offered=True)


@pytest.mark.parametrize(
    ("forced", "reason"), [("avx512", "base and avx2"), ("avx2", "has no AVX2")]
)
def test_what_cannot_run_is_refused(forced, reason):
    with pytest.raises(KernelError, match=reason):
        builds.choose(forced, offered=False)


def test_the_flags_line_decides(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor: 0\nflags\t\t: fpu sse2 avx avx2\nprocessor: 1\n")
    assert builds.has_avx2(str(path))
    path.write_text("processor: 0\nflags\t\t: fpu sse2 avx avx2_none\n")
    assert not builds.has_avx2(str(path))
    path.write_text("processor: 0\nFeatures: asimd\n")
    assert not builds.has_avx2(str(path))
    assert not builds.has_avx2(str(tmp_path / "none"))


@pytest.mark.parametrize("text", ["median 3 | window 1 | mean", "distinct, top", "quantiles 0.5"])
def test_the_sign_of_a_nan_is_of_no_consequence(text):
    # inf - inf is ffc00000 on x86 and 7fc00000 on ARM.
    signs = (array("I", [0x3F800000, nan, 0x40000000, nan] * 9) for nan in (0x7FC00000, 0xFFC00000))
    first, second = (Plan(text).partial(array("f", bits.tobytes())) for bits in signs)
    assert first == second
