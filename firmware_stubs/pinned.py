"""Third-party archives that are had at build time: pinned by SHA-256, unpacked under build/."""

import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory


class Missing(Exception):
    """It cannot be had; the message says what would help."""


def unpacked(home: Path, archive: str, sha256: str, download: Callable[[Path], None]) -> Path:
    """`home`, with what is in the one folder at the top of an archive; nothing is done where it is
    there.

    archive: the name of the file in home's folder, which somebody may have put there.
    download: has it written to a path; raises Missing.
    """
    if home.is_dir():
        return home
    folder = home.parent
    folder.mkdir(parents=True, exist_ok=True)
    # Whatever stops this leaves nothing that looks whole.
    with TemporaryDirectory(dir=folder, prefix=".new-") as name:
        kept = folder / archive
        if not kept.exists():
            fresh = Path(name) / archive
            download(fresh)
            fresh.rename(kept)
        found = hashlib.sha256(kept.read_bytes()).hexdigest()
        if found != sha256:
            kept.unlink()
            raise Missing(f"the SHA-256 of {kept} was {found}; it is deleted")
        top = _unpack(kept, Path(name))
        try:
            os.rename(top, home)
        except OSError:  # another build was faster
            if not home.is_dir():
                raise
            shutil.rmtree(top)
    return home


def _unpack(archive: Path, target: Path) -> Path:
    """The folder at the top of an archive, unpacked: files, and what links to them."""
    with tarfile.open(archive) as whole:
        members = whole.getmembers()
        for member in members:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or member.isdev():
                raise Missing(f"{archive} has a member {member.name}")
            if member.isfile():
                member.mode = 0o644
        whole.extractall(target, [member for member in members if not member.issym()])
    (top,) = {PurePosixPath(member.name).parts[0] for member in members}
    return target / top


def run(what: str, take: Callable[[], object], otherwise: str) -> int:
    """The exit code of a script that fetches: 1, and a line that says what would help, where it
    could not.
    """
    try:
        take()
    except (Missing, OSError) as error:
        print(f"no {what}: {error}. {otherwise}", file=sys.stderr)
        return 1
    return 0
