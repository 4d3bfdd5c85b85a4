"""`scripts/setup` on a fresh copy of the checkout: everything once, then only what changed."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK_S = 2.0  # it compares hashes and times; a pip or a compiler would take longer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def setup(folder):
    """What it said, and how long it took. It may not touch the system here."""
    start = time.monotonic()
    environment = {**os.environ, "ATOLL_APT": "no"}
    command = [folder / "scripts" / "setup", "run"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr, time.monotonic() - start


def atoll(folder):
    done = subprocess.run(
        [folder / ".venv/bin/atoll", "run", "moments", "--file", "x.csv", "--rate", "1", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The files that git knows, and one of samples."""
    folder = tmp_path_factory.mktemp("fresh") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, folder / name)
    (folder / "x.csv").write_text("value\n1\n2\n4\n")
    return folder


def test_does_once_what_is_missing(checkout):
    said, _ = setup(checkout)
    assert "making .venv" in said
    assert atoll(checkout)
    said, took_s = setup(checkout)
    assert said == ""
    assert took_s < QUICK_S


def test_compiles_after_an_edit(checkout):
    part = next((checkout / "kernels").rglob("*.pxi"))
    part.write_text(part.read_text() + "\n")
    assert setup(checkout)[0] == "setup: compiling the kernels\n"
    assert setup(checkout)[0] == ""


def test_installs_after_a_change_of_the_project(checkout):
    project = checkout / "pyproject.toml"
    project.write_text(project.read_text() + "\n# changed\n")
    assert "installing Python packages" in setup(checkout)[0]
    assert setup(checkout)[0] == ""


def test_starts_anew_where_the_checkout_was_moved(checkout):
    moved = checkout.rename(checkout.with_name("elsewhere"))
    assert "was moved" in setup(moved)[0]
    assert atoll(moved)
