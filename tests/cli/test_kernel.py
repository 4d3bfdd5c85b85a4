"""`atoll kernel`: a template that is a whole kernel, and a check that says what is wrong where."""

import json

import pytest

from atoll.kernels import emulate


@pytest.mark.parametrize(("kind", "name"), [("feature", "loudness"), ("sample", "soft_threshold")])
def test_a_new_kernel_is_whole(atoll, tmp_path, kind, name):
    done = atoll("kernel", "new", name, "--kind", kind, "--into", "own")
    assert f"own/{name}.pyx" in done.stdout
    project = (tmp_path / "own" / "pyproject.toml").read_text()
    assert f'{name} = "{name}_kernel"' in project
    done = atoll("kernel", "check", f"own/{name}.pyx", "--no-boards", "--json")
    found = json.loads(done.stdout)
    assert found["name"] == name
    assert found["kind"] == kind
    assert found["vectors"] == 6
    assert found["worst"] <= 1e-5
    assert found["boards"] == []


def test_what_is_outside_the_subset_has_its_place(atoll, tmp_path):
    atoll("kernel", "new", "loudness")
    path = tmp_path / "loudness" / "loudness.pyx"
    path.write_text(path.read_text().replace("<float>0.0", "0.0"))
    done = atoll("kernel", "check", "loudness/loudness.pyx", code=1)
    first, line, caret = done.stderr.rstrip("\n").split("\n")
    assert first == "atoll: loudness/loudness.pyx:11: 0.0 is a double: write <float>0.0"
    assert line.index("0.0") == caret.index("^")


def test_a_kernel_that_is_not_its_twin(atoll, tmp_path):
    atoll("kernel", "new", "loudness")
    path = tmp_path / "loudness" / "loudness.pyx"
    path.write_text(path.read_text().replace("total / <float>n", "total"))
    done = atoll("kernel", "check", "loudness/loudness.pyx", "--no-boards", code=1)
    assert "from its twin" in done.stderr


def test_bad_names_and_files(atoll, tmp_path):
    assert "already" in atoll("kernel", "new", "rms", code=1).stderr
    assert "no name" in atoll("kernel", "new", "Ab", code=1).stderr
    atoll("kernel", "new", "own")
    assert "already" in atoll("kernel", "new", "own", code=1).stderr
    assert "no such file" in atoll("kernel", "check", "none.pyx", code=1).stderr
    assert "NAME.pyx" in atoll("kernel", "check", "none.py", code=1).stderr
    (tmp_path / "alone.pyx").write_text(
        "cdef float alone(const float *x, size_t n, const float *numbers) noexcept nogil:\n"
        "    return x[0]\n"
    )
    assert "alone_kernel.py: no such file" in atoll("kernel", "check", "alone.pyx", code=1).stderr
    assert "invalid choice" in atoll("kernel", "make", "x", code=2).stderr


@pytest.mark.emulator
def test_the_boards_are_listed(atoll):
    if missing := emulate.missing():
        pytest.skip(f"{', '.join(missing)}: not installed (scripts/setup check)")
    atoll("kernel", "new", "soft", "--kind", "sample")
    done = atoll("kernel", "check", "soft/soft.pyx", timeout_s=100)
    rows = [line.split() for line in done.stdout.split("\n") if line.split()[-1:] == ["yes"]]
    assert [row[0] for row in rows] == list(emulate.CORES)
