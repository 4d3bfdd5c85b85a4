"""The packages, built once for all tests of this folder."""

import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deb_root import NEXT, build


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """The project's packages, and the same under a later version."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is missing")
    return build(tmp_path_factory.mktemp("debs"), metadata.version("atoll"), NEXT)
