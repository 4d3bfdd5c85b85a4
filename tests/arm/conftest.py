"""The boards, made once for all tests of this folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from arm_boards import MACHINES, install


@pytest.fixture(scope="session")
def boards(tmp_path_factory):
    """How a program of each machine is run, with the wheel installed as pip would choose it."""
    return {name: install(name, tmp_path_factory.mktemp(name)) for name in MACHINES}


@pytest.fixture(params=MACHINES)
def board(request, boards):
    """One of them."""
    return boards[request.param]
