"""`scripts/setup` where nothing can be installed: one clear line, and nothing half made."""

import shutil

import pytest

# What the script itself calls; a compiler, a Python and sudo are left out.
TOOLS = ("cat", "dirname", "find", "flock", "id", "mkdir", "sed", "sh", "sha256sum", "sort")


@pytest.fixture
def bare(tmp_path):
    """A PATH without compiler, Python or sudo."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return str(folder)


def test_says_what_to_install(script, bare, tmp_path):
    done = script("setup")("run", PATH=bare, ATOLL_APT="no", PYTHON="no-such-python")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("setup: error: ")
    for package in ("python3-venv", "python3-dev", "gcc", "libc6-dev"):
        assert package in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_refuses_an_unknown_level(script):
    done = script("setup")("everything")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
