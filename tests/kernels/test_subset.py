"""Some kernels alone: small, whole, without a warning, and with the bits of the catalogue."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from atoll.kernels import Plan, catalogue, portable, receipt_c
from atoll.kernels.errors import KernelError
from atoll.kernels.receipt import receipts
from atoll.kernels.subset import Cut, never, pruned, replace_calls, wanted_kernels
from atoll.kernels.users import CODES

from .test_portable import CORES, FLAGS, HELPERS, LIBRARY, run, undefined

PRINTER = Path(__file__).parents[2] / "benchmarks" / "native" / "receipts.c"
SMALLEST = "window,rms,moments,minmax,quantiles"
# Of every group one or more, and such as lean on each other.
SETS = (
    SMALLEST,
    "channels,sum,gram,window,rms,mean,diff,biquad,envelope,fir,median,decimate",
    "window,taper,detrend,rms,mean,spectrum,lines,band,histogram,top,peak",
    "window,crest,kurtosis,skewness,linear,logistic,mlp,novelty,merge,centroids",
)


def written(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    assert portable.main([str(folder), "--only", names]) == 0
    return folder


@pytest.fixture(scope="module")
def smallest(tmp_path_factory):
    return written(tmp_path_factory.mktemp("smallest"), SMALLEST)


@pytest.mark.slow
@pytest.mark.parametrize("names", SETS)
def test_gives_the_receipts_of_the_whole(tmp_path, names):
    """Built small, as a microcontroller is, under sanitizers, every warning an error."""
    written(tmp_path, names)
    assert receipt_c.main([str(tmp_path), "--only", names]) == 0
    flags = [*FLAGS, "-Os", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I."]
    sources = ["atoll_kernels.c", "atoll_receipts.c", str(PRINTER)]
    run("gcc", *flags, *sources, "-o", "print", "-lm", cwd=tmp_path)
    found = dict(line.split() for line in run("./print", cwd=tmp_path).splitlines())
    wanted = {name: digest.hex() for name, digest in receipts().items()}
    assert found
    assert found.items() <= wanted.items()


def test_a_set_without_what_a_receipt_needs_is_refused(tmp_path, capsys):
    words = [str(tmp_path), "--only", "window,rms,moments", "--each"]
    assert receipt_c.main(words) == 2
    assert capsys.readouterr().err == "no receipt can be taken of window without mean\n"
    assert not list(tmp_path.iterdir())
    assert receipt_c.main([str(tmp_path), "--only", "window,mean,rms,moments", "--each"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_compiles_without_a_warning_on_this_machine(smallest, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    plain = ["-O2", "-U_FORTIFY_SOURCE", "-fno-stack-protector"]
    run(compiler, *plain, *FLAGS, "-c", "atoll_kernels.c", "-o", "here.o", cwd=smallest)
    assert undefined("nm", "here.o", smallest) <= LIBRARY


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_compiles_for_microcontrollers_without_double(smallest, core):
    compiler = "arm-none-eabi-gcc"
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    flags = [*FLAGS, "-Os", "-mthumb", *CORES[core].split()]
    run(compiler, *flags, "-c", "atoll_kernels.c", "-o", f"{core}.o", cwd=smallest)
    names = undefined("arm-none-eabi-nm", f"{core}.o", smallest) - LIBRARY
    assert all(HELPERS.fullmatch(name) for name in names), names
    # What would draw the compiler's double or its 64-bit division in is not asked for.
    assert not names & {"__aeabi_f2ulz", "__aeabi_f2lz", "__aeabi_uldivmod", "__aeabi_ldivmod"}


def test_holds_nothing_of_other_kernels(smallest):
    text = (smallest / "atoll_kernels.c").read_text()
    names = set(re.findall(r"\batoll_(\w+)\(", text))
    assert {"plan_push", "sketch_push", "powers_value", "extrema_push"} <= names
    gone = ("fir_f32", "biquad_f32", "spectrum_run", "gram_push", "tree_scores", "central_f32")
    assert not names & set(gone)
    assert "struct atoll_tree" not in text
    assert "chunk_stage" not in names


def test_another_kernels_program_is_refused(smallest):
    (smallest / "other.c").write_text(
        '#include "atoll_kernels.h"\n#include <stdio.h>\n'
        "int main(void) { static uint32_t words[4096]; size_t n = fread(words, 4, 4096, stdin);\n"
        'printf("%zu", atoll_plan_size(words, n)); return 0; }\n'
    )
    run("gcc", *FLAGS, "other.c", "atoll_kernels.c", "-o", "other", "-lm", cwd=smallest)

    def size(text, rate=1000.0):
        words = Plan(text).words("i16", rate)
        return int(subprocess.check_output([smallest / "other"], input=words))

    assert size("window 64 | rms | moments, minmax, quantiles 0.5") > 0
    assert size("minmax") > 0
    for text in ("count", "abs | minmax", "window 64 | mean | minmax", "channels 2 | minmax"):
        assert size(text) == 0
    for text in ("window 64 | taper | rms | minmax", "window 64 | rms | ewma 0.1 | minmax", "gram"):
        assert size(text) == 0


def test_names_are_checked(tmp_path, capsys):
    assert portable.main([str(tmp_path), "--only", "window,rmz"]) == 2
    assert "did you mean 'rms'" in capsys.readouterr().err
    assert portable.main([str(tmp_path), "--only"]) == 2
    assert "usage" in capsys.readouterr().err
    assert receipt_c.main([str(tmp_path), "--only", "nothing_like_it"]) == 2
    assert "no kernel" in capsys.readouterr().err
    with pytest.raises(KernelError):
        wanted_kernels(["fft"])


def test_calls_are_replaced_with_their_arguments():
    text = "if op_joint(plan_op(p, k).code) and not row_fits(code, f(x)):"
    assert replace_calls(text, "op_joint", lambda _: "False").startswith("if False and not")
    assert "row_fits" not in replace_calls(text, "row_fits", lambda given: given[:4])


@pytest.mark.parametrize(
    ("condition", "gone"),
    [
        ("False", True),
        ("0", True),
        ("False or False", True),
        ("p.stages and False", True),
        ("need & 0", True),
        ("need & NEED_SUM or need & 0", False),
        ("x == 0", False),
        ("not False", False),
    ],
)
def test_conditions_that_never_hold(condition, gone):
    assert never(condition) == gone


def test_branches_that_never_run_are_left_out():
    text = "\n".join(
        (
            "cdef f():",
            "    if False:",
            "        a()",
            "    elif x:",
            "        b()",
            "        if False:",
            "            c()",
            "    elif False:",
            "        d()",
            "    else:",
            "        e()",
            "    for k in range(p.first, <uint32_t>(p.first + 0)):",
            "        g()",
            "    return",
        )
    )
    assert pruned(text).split("\n") == [
        "cdef f():",
        "    if x:",
        "        b()",
        "        pass",
        "    else:",
        "        e()",
        "    pass",
        "    return",
    ]


def test_an_else_alone_is_always_taken():
    assert (
        pruned("    if False:\n        a()\n    else:\n        b()") == "    if True:\n        b()"
    )


def test_the_whole_catalogue_is_what_it_is_without_a_cut():
    names = [kernel.name for kernel in catalogue()]
    for path in (portable.FOLDER / "parts").glob("*.pxi"):
        reduced = Cut(names, frozenset(CODES)).reduce(path.read_text())
        assert reduced == path.read_text() or "op_present" in reduced
