"""A site on this machine, and an image that knows it, built once."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from image_board import build

from atoll.cli.image import TOOLS
from atoll.cli.site import LocalSite

NEEDED = TOOLS | {"qemu-system-aarch64": "qemu-system-arm", "mcopy": "mtools"}


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A gateway and its broker, and no device but those of images."""
    with LocalSite(tmp_path_factory.mktemp("home"), site="home", profile="normal") as site:
        site.start_gateway()
        yield site


@pytest.fixture(scope="session")
def image(home, tmp_path_factory):
    """An image whose device belongs to that site."""
    path = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/bin"
    missing = [package for tool, package in NEEDED.items() if not shutil.which(tool, path=path)]
    if missing:
        pytest.skip(f"missing: make setup (or apt install {' '.join(missing)})")
    return build(tmp_path_factory.mktemp("image") / "sd.img", home.url)
