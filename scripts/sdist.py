"""The sdist, for machines that no wheel fits: `dist/atoll-VERSION.tar.gz`, installed and tried.

Built from a clean copy, then compiled and installed from the archive alone in an empty environment,
and used from an empty folder. The packages that this needs are fetched once into build/sdist, by
version; after that no network is needed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from dist import SMOKE_PLAN, check_sdist, clean_copy, run

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "sdist"


def requirements() -> list[str]:
    """What a build needs, and what the result does."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    return [*project["build-system"]["requires"], *project["project"]["dependencies"]]


def packages() -> Path:
    """A folder with those packages, installed there for this Python."""
    wanted = requirements()
    key = hashlib.sha256(repr((wanted, sys.version)).encode()).hexdigest()[:16]
    folder = KEPT / key
    if folder.is_dir():
        return folder
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT, prefix=".new-") as name:
        fresh = Path(name) / "site"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, "--target", str(fresh), *wanted])
        if done.returncode:
            sys.exit("sdist: pip could not fetch what a build needs; is there a network?")
        fresh.rename(folder)
    return folder


def environment(folder: Path, site: Path) -> Path:
    """The Python of an empty environment that sees the packages of `site` and nothing else."""
    # Without pip, and so without the old setuptools that comes with it: ours serves.
    venv.create(folder)
    python = folder / "bin" / "python"
    line = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    Path(run(python, "-c", line, cwd=folder).strip(), "build.pth").write_text(f"{site}\n")
    return python


def check_use(python: Path, folder: Path) -> str:
    """Compute with what was installed, from an empty folder, without numpy; the answer."""
    answer = folder / "answer"
    answer.mkdir()
    (answer / "x.csv").write_text("value\n" + "\n".join(map(str, range(-4096, 4096))) + "\n")
    atoll = python.with_name("atoll")
    words = ("run", SMOKE_PLAN, "--file", "x.csv", "--rate", "12000", "--json")
    said = run(atoll, *words, cwd=answer)
    code = (
        "import atoll.kernels._native as n, sys\n"
        f"assert n.__file__.startswith({str(python.parent.parent)!r}), n.__file__\n"
        "assert 'numpy' not in sys.modules\n"
    )
    run(python, "-P", "-c", code, cwd=answer)
    return said


def build(folder: Path) -> Path:
    """The archive, from a clean copy in `folder`."""
    source = folder / "source"
    clean_copy(source)
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, cwd=source)
    (sdist,) = folder.glob("*.tar.gz")
    check_sdist(sdist, source)
    return sdist


def main() -> None:
    """Build, install, try, and keep the archive in dist/."""
    site = packages()
    with tempfile.TemporaryDirectory(prefix="atoll-sdist-") as name:
        folder = Path(name)
        sdist = build(folder)
        python = environment(folder / "venv", site)
        os.environ["PIP_NO_INDEX"] = "1"
        pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
        run(*pip, "install", "--quiet", "--no-build-isolation", sdist, cwd=folder)
        said = check_use(python, folder)
        (ROOT / "dist").mkdir(exist_ok=True)
        shutil.copy2(sdist, ROOT / "dist" / sdist.name)
        print(f"sdist: {sdist.name} {sdist.stat().st_size // 1024} KiB, installed: {said.strip()}")


if __name__ == "__main__":
    main()
