"""The rules of the top conftest.py: with CI=true a skip is a failure, unless the platform's."""

import os
import re
import shutil
import subprocess
import sys

import pytest

SKIPPING = """
import pytest

def test_tool():
    pytest.skip("no such tool")

def test_platform():
    pytest.skip("platform: no such processor")

@pytest.mark.skipif(True, reason="no such package")
def test_marked():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    assert False

def test_recordings(recordings):
    pass
"""


@pytest.fixture
def run(tree, tmp_path):
    """Run tests in a folder that holds only the top conftest.py and one test file."""
    shutil.copy2(tree.root / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    root: needs root\n")

    def go(text, **variables):
        (tmp_path / "test_it.py").write_text(text)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line"]
        environment = {key: value for key, value in os.environ.items() if key != "CI"}
        environment |= {"ATOLL_RECORDINGS": str(tmp_path / "none"), **variables}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        return done.stdout.splitlines()

    return go


def test_a_missing_tool_is_a_skip_at_home(run):
    assert run(SKIPPING)[-1].startswith("4 skipped, 1 xfailed")


def test_a_missing_tool_is_a_failure_in_ci(run):
    lines = run(SKIPPING, CI="true")
    assert lines[-1].startswith("1 failed, 1 skipped, 1 xfailed, 2 errors")
    assert any("no recordings in" in line for line in lines)


def test_a_file_that_skips_itself_fails_in_ci(run):
    text = "import pytest\npytest.importorskip('no_such_package')\n"
    assert "1 skipped" in run(text)[-1]
    assert "1 error" in run(text, CI="true")[-1]


def test_ci_runs_every_test_once_and_those_of_the_firmware_among_them(tree):
    makefile = (tree.root / "Makefile").read_text()
    recipes = dict(re.findall(r"^([a-z-]+):  ##.*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    fast, slow = (re.search(r'-m "(.*)"', recipes[name])[1] for name in ("test", "test-slow"))
    assert fast.split(" and ") == [f"not {marker}" for marker in slow.split(" or ")]
    assert "-m " not in recipes["firmware-test"].replace("-m pytest", "")
    paths = re.findall(r"tests/\S+", recipes["firmware-test"])
    assert "tests/firmware" in paths
    assert all((tree.root / path).exists() for path in paths)
