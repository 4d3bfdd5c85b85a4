"""The packages, built once for all tests of this folder."""

import shutil
import socket
import sys
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deb_root import NEXT, DebianRoot, base, build, run


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """The project's packages, and the same under a later version."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is missing")
    return build(tmp_path_factory.mktemp("debs"), metadata.version("atoll"), NEXT)


@pytest.fixture(scope="session")
def root(packages, tmp_path_factory):
    """A Debian with the packages installed, and services at a port of their own."""
    path = tmp_path_factory.mktemp("debian") / "root"
    run("cp", "-a", base(), path)
    root = DebianRoot(path)
    root.install(packages[0])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        root.url = f"mqtt://127.0.0.1:{probe.getsockname()[1]}"
    port = root.url.rpartition(":")[2]
    gateway = f'[gateway]\nport = {port}\nprofile = "fast"\n'
    device = f'[device]\nid = "pi-1"\nbroker = "{root.url}"\nprofile = "fast"\ncapacity = 1\n'
    own = path / "etc/atoll/conf.d/10-own.toml"
    own.write_text(gateway + device)
    own.chmod(0o640)
    run("chroot", path, "chown", "root:atoll", "/etc/atoll/conf.d/10-own.toml")
    yield root
    for note in root.notes.values():
        note.close()
