"""A user's kernel: from a NumPy function to the same bits here, over a fleet and on a board."""

import os
import shutil
import subprocess
import sys
from array import array
from pathlib import Path

import numpy as np
import pytest

from atoll.kernels import Plan, PlanError, emulate, golden, portable, user_source, user_try, users
from atoll.kernels.errors import KernelError

from .test_portable import FLAGS, run

EXAMPLE = Path(__file__).parents[2] / "examples" / "teager"
SOURCE = EXAMPLE / "teager.pyx"


def teager(x):
    """What the example starts from."""
    return np.mean(x[1:-1] ** 2 - x[:-2] * x[2:])


def samples(n=4096):
    x = 900 * np.sin(np.arange(n) * 0.3) + np.random.default_rng(1).normal(0, 20, n)
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """The example, compiled and known to this process."""
    module = user_try.built(SOURCE, tmp_path_factory.mktemp("teager"))
    return users.add("teager", user_source.described(SOURCE), module)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder for PYTHONPATH with the example as pip would lay it there."""
    folder = tmp_path_factory.mktemp("installed")
    user_try.built(SOURCE, folder)
    shutil.copy(EXAMPLE / "teager_kernel.py", folder)
    information = folder / "atoll_teager-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: atoll-teager\nVersion: 0.1\n"
    )
    project = (EXAMPLE / "pyproject.toml").read_text()
    assert '[project.entry-points."atoll.kernels"]\nteager = "teager_kernel"' in project
    (information / "entry_points.txt").write_text("[atoll.kernels]\nteager = teager_kernel\n")
    return folder


@pytest.mark.usefixtures("kernel")
def test_gives_what_the_numpy_function_gives():
    x = samples()
    wanted = [teager(x[k : k + 256].astype(float)) for k in range(0, len(x), 256)]
    found = Plan("window 256 | teager").run(x)["teager"]
    assert np.allclose(found, wanted, rtol=1e-5)


@pytest.mark.usefixtures("kernel")
def test_stands_among_the_others():
    plan = Plan("window 128 hop=64 | detrend | teager, rms | quantiles 0.5, moments")
    x = samples()
    cut = 20 * plan.step
    pieces = [plan.partial(x[cut:], start=cut), plan.partial(x[: cut + plan.overlap])]
    assert plan.merge(pieces) == plan.partial(x)
    assert set(plan.run(x)) == {"teager", "rms"}
    integers = np.round(x).astype(np.int16)
    halves = Plan("window 64 | teager").run(integers)["teager"]
    assert halves == Plan("window 64 | teager").run(integers.astype(np.float32))["teager"]


def test_corners(kernel):
    plan = Plan("window 8 | teager")
    x = samples(16)
    x[3] = np.nan
    found = plan.run(x)["teager"]
    assert np.isnan(found[0])
    assert not np.isnan(found[1])
    assert np.isnan(Plan("window 2 | teager").run(samples(2))["teager"][0])
    assert kernel.error == "relative 1e-05"


def test_the_canonical_form_names_the_source(kernel):
    plan = Plan("window 64 | teager | moments")
    identity = user_source.read(SOURCE).identity
    assert kernel.params[0].default == identity
    assert plan.text == "window 64 | teager | moments"
    assert Plan.from_bytes(plan.canonical) == plan
    assert Plan(f"window 64 | teager version={identity} | moments") == plan
    with pytest.raises(PlanError, match="version"):
        Plan(f"window 64 | teager version={identity ^ 1} | moments")
    other = plan.canonical.replace(identity.to_bytes(4, "big"), (identity ^ 1).to_bytes(4, "big"))
    with pytest.raises(PlanError, match="no kernel"):
        Plan.from_bytes(other)


@pytest.mark.usefixtures("kernel")
def test_errors_name_it():
    with pytest.raises(PlanError, match="teager needs a window before it"):
        Plan("teager")
    with pytest.raises(PlanError, match="after a spectrum"):
        Plan("window 64 | spectrum | teager")
    with pytest.raises(PlanError, match="no more arguments"):
        Plan("window 64 | teager 3")


def test_a_program_with_an_unknown_source_is_refused(kernel):
    words = array("I", Plan("window 64 | teager | moments").words("f32"))
    identity = kernel.params[0].default
    words[words.index(identity)] = identity ^ 1
    from atoll.kernels.builds import state_size

    assert state_size(words.tobytes()) == 0


def test_arguments_must_be_numbers():
    described = user_source.described(SOURCE)
    described.PARAMS = (users.Param("kind", "choice", 0, choices=("a", "b")),)
    with pytest.raises(KernelError, match="single numbers"):
        users.described_kernel("teager", described, 1, "feature")


def test_an_installed_package_is_found_by_its_entry_point(installed):
    program = (
        "from atoll.kernels import Plan\nfrom array import array\n"
        "x = array('f', [(k % 7) * 1.5 for k in range(64)])\n"
        "plan = Plan('window 32 | teager | minmax')\n"
        "assert Plan.from_bytes(plan.canonical) == plan\nprint(plan.run(x))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "'teager': {'minmax': {'count': 2" in done.stdout
    # A device that gets the plan as bytes alone finds the kernel as well.
    identity = user_source.read(SOURCE).identity
    data = bytes([0x83, 1, 0x83, 0x18, 32, 0x18, 32, 0x18, 32, 0x82, 0x18, 62, 0x1A])
    data += identity.to_bytes(4, "big")
    program = f"from atoll.kernels import Plan; print(Plan.from_bytes({data!r}).text)"
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.stdout == "window 32 | teager\n", done.stderr


def test_without_it_the_name_is_unknown():
    program = "from atoll.kernels import Plan; Plan('window 32 | teager')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "no kernel is called 'teager'" in done.stderr


def test_the_amalgamation_holds_it_under_sanitizers(kernel, tmp_path):
    plan = Plan("window 64 | teager")
    assert portable.main([str(tmp_path), "--only", "window,sum", "--user", str(SOURCE)]) == 0
    text = (tmp_path / "atoll_kernels.c").read_text()
    assert "atoll_user_teager_teager" in text
    (tmp_path / "main.c").write_text(user_try.main_c(plan))
    (tmp_path / "host.c").write_text(
        "#include <stdio.h>\nvoid image_mark(void);\nvoid image_say(const char *text);\n"
        "void image_mark(void) {}\nvoid image_say(const char *text) { (void)puts(text); }\n"
    )
    for compiler in filter(shutil.which, ("gcc", "clang")):
        run(compiler, *FLAGS, "-O2", "-c", "atoll_kernels.c", "-o", "x.o", cwd=tmp_path)
    flags = [*FLAGS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = ["main.c", "host.c", "atoll_kernels.c"]
    run("gcc", *flags, *sources, "-o", "here", "-lm", cwd=tmp_path)
    assert run("./here", cwd=tmp_path).strip() == user_try.receipt(plan)


def test_a_source_outside_the_subset_is_not_linked(tmp_path, capsys):
    bad = tmp_path / "teager.pyx"
    bad.write_text(SOURCE.read_text().replace("<float>0.0", "0.0"))
    shutil.copy(EXAMPLE / "teager_kernel.py", tmp_path)
    assert portable.main([str(tmp_path / "out"), "--user", str(bad)]) == 2
    assert "write <float>0.0" in capsys.readouterr().err


@pytest.mark.usefixtures("kernel")
def test_tried_against_its_twin(tmp_path):
    found = user_try.tried(SOURCE, tmp_path)
    assert found.vectors == 4 + len(user_try.finite_vectors())
    assert 0 < found.worst < 1e-5
    wrong = tmp_path / "wrong.pyx"  # another name: this process keeps the kernels that it knows
    text = SOURCE.read_text().replace("(n - 2)", "(n - 1)")
    wrong.write_text(text.replace("float teager(", "float wrong("))
    shutil.copy(EXAMPLE / "teager_kernel.py", tmp_path / "wrong_kernel.py")
    with pytest.raises(KernelError, match="from its twin"):
        user_try.tried(wrong, tmp_path / "wrong")


@pytest.mark.emulator
@pytest.mark.parametrize("core", emulate.CORES)
def test_the_same_bits_on_a_board(kernel, tmp_path, core):
    if missing := emulate.missing():
        pytest.skip(f"{', '.join(missing)}: not installed (scripts/setup check)")
    plan = Plan("window 64 | teager")
    user_try.sources(SOURCE, plan, tmp_path)
    board = user_try.on_board(SOURCE, core, plan, tmp_path, emulate.plugin(tmp_path))
    assert board.equal
    assert 32 < board.flash < 256
    assert board.instructions > 4
    assert len(golden.CASES) == 3


@pytest.mark.site
def test_over_a_fleet(installed, kernel, new_site, monkeypatch):
    """Gateway and devices find it by its entry point; the fleet gives this machine's bytes."""
    monkeypatch.setenv("PYTHONPATH", str(installed))
    plan = Plan("window 64 | teager | quantiles 0.5 0.99, moments")
    x = samples()
    assert kernel.name in plan.kernels
    new_site.start(2)
    with new_site.connect() as fleet:
        fleet.put("motors", x, key="one", rate=1000)
        result = fleet.run(plan, over="motors")
    assert result.complete
    assert result.value == plan.run({"one": x})
