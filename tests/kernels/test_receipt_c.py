"""Receipts as C: those of the extension, in the memory of the smallest board, and sharp enough."""

import subprocess
from pathlib import Path

import pytest

from atoll.kernels import builds, portable, receipt_c
from atoll.kernels.receipt import LONG, SHORT, receipts

PRINTER = Path(__file__).parents[2] / "benchmarks" / "native" / "receipts.c"
STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Wshadow", "-pedantic"]
SUITES = {"short": SHORT, "long": LONG}
PLENTY = 1 << 20
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("receipts")
    assert portable.main([str(out)]) == 0
    assert receipt_c.main([str(out / "short")]) == 0
    assert receipt_c.main([str(out / "long"), "--long"]) == 0
    compiled(out, "plain.o", "-O1", "-ffp-contract=off")
    return out


def compiled(folder, kernels, *flags):
    run("gcc", "-std=c99", *flags, "-c", "atoll_kernels.c", "-o", kernels, cwd=folder)


def given(folder, suite, kernels, memory):
    flags = ["-std=c99", "-O1", *STRICT, "-Werror", *SANITIZED, "-I.", f"-I{suite}"]
    sources = [f"{suite}/atoll_receipts.c", str(PRINTER), kernels]
    run("gcc", *flags, *sources, "-o", f"{suite}/print", "-lm", cwd=folder)
    lines = run(f"{suite}/print", str(memory), cwd=folder).splitlines()
    return dict(line.split() for line in lines)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("plenty", [False, True])
def test_equal_the_extension_however_much_memory_there_is(folder, suite, plenty):
    ours = {name: digest.hex() for name, digest in receipts(SUITES[suite]).items()}
    memory = PLENTY if plenty else SUITES[suite].memory
    assert given(folder, suite, "plain.o", memory) == ours


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_golden_vector_runs_clean_under_sanitizers(folder):
    compiled(folder, "checked.o", "-O1", "-ffp-contract=off", *SANITIZED)
    for name, suite in SUITES.items():
        ours = {kernel: digest.hex() for kernel, digest in receipts(suite).items()}
        assert given(folder, name, "checked.o", suite.memory) == ours


def test_the_smallest_board_has_room():
    assert SHORT.memory == 4096


def test_a_build_that_breaks_the_contract_shows(folder):
    compiled(folder, "unsafe.o", "-O2", "-ffp-contract=off", "-funsafe-math-optimizations")
    ours = {name: digest.hex() for name, digest in receipts().items()}
    found = given(folder, "short", "unsafe.o", SHORT.memory)
    differ = {name for name in ours if found[name] != ours[name]}
    assert {"detrend", "spectrum", "slope", "logistic"} <= differ
    assert not differ & {"abs", "clip", "count", "histogram", "distinct"}


@pytest.mark.skipif(not builds.has_avx2(), reason="platform: no FMA to fuse with")
def test_fused_instructions_on_offer_are_not_taken(folder):
    compiled(folder, "fma.o", "-O3", "-mavx2", "-mfma", "-ffp-contract=off")
    ours = {name: digest.hex() for name, digest in receipts().items()}
    assert given(folder, "short", "fma.o", SHORT.memory) == ours


def test_a_folder_is_asked_for(capsys):
    assert receipt_c.main([]) == 2
    assert "usage" in capsys.readouterr().err
