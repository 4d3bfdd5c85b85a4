"""Build the sdist and the wheel from a clean copy, and try the wheel far from the checkout.

A used checkout lies: `build/lib` keeps deleted modules and compiled files sit beside their sources.
So the files that git knows (or would know) are copied to an empty folder, `python -m build` makes
the sdist there and the wheel from that sdist, and the wheel goes into a new environment whose
working directory is not the checkout. What ends up in `dist/` has passed all of it.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What a user of the wheel can use: modules, type stubs, compiled kernels, the schema, and the
# portable parts that a kernel of their own includes. Compiled modules' sources are the sdist's.
WHEEL_SUFFIXES = {".py", ".pyi", ".so", ".typed", ".pxd", ".pxi", ".h", ".cddl"}
# What `atoll kernel check` builds for emulated boards, on whatever machine a user has.
BOARD_PROGRAM = "atoll/kernels/parts/board_"
SDIST_NEEDS = {"setup.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
SMOKE_PLAN = "window 1024 | rms | quantiles 0.5 0.99"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without the checkout on any path; its output, or the end of this script."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        sys.exit(f"dist: failed ({done.returncode}): {' '.join(map(str, command))}")
    return done.stdout


def clean_copy(target: Path) -> None:
    """Copy every file that git tracks or would add, and nothing that was built."""
    listed = run("git", "ls-files", "-z", "-co", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def check_sdist(sdist: Path, source: Path) -> None:
    """The sdist holds what its own build needs: every source of an extension, and the papers."""
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    needed = set(SDIST_NEEDS)
    for pattern in ("*.py", "*.pyx", "*.pxi", "*.pxd", "*.h", "*.cddl"):
        for folder in ("kernels", "wire", "transport", "runtime", "gateway", "sim", "cli"):
            needed.update(str(p.relative_to(source)) for p in (source / folder).rglob(pattern))
    if missing := sorted(needed - held):
        sys.exit(f"dist: {sdist.name} lacks {', '.join(missing)}")


def check_wheel(wheel: Path) -> None:
    """The wheel holds the packages under `atoll/` only, and no source of a compiled module."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    kept = [n for n in names if not n.startswith(BOARD_PROGRAM)]
    stray = [n for n in kept if not n.startswith("atoll/") or Path(n).suffix not in WHEEL_SUFFIXES]
    if stray:
        sys.exit(f"dist: {wheel.name} holds files that do not belong there: {', '.join(stray)}")
    if "atoll/__init__.py" in names:
        sys.exit(f"dist: {wheel.name} makes atoll a package; it is a namespace (docs/layout.md)")


def smoke(wheel: Path, folder: Path) -> None:
    """Install the wheel in a new environment and use it from an empty folder."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, "numpy", cwd=folder)
    run(python, "-m", "pip", "check", cwd=folder)
    atoll = python.with_name("atoll")
    version = run(atoll, "--version", cwd=folder).strip()
    make = "import numpy; numpy.save('x.npy', numpy.arange(-4096, 4096, dtype='int16'))"
    run(python, "-c", make, cwd=folder)
    answer = run(atoll, "run", SMOKE_PLAN, "--file", "x.npy", "--rate", "12000", cwd=folder)
    use = (
        "import atoll.kernels, numpy, sys\n"
        "assert 'site-packages' in atoll.kernels.__file__, atoll.kernels.__file__\n"
        f"value = atoll.kernels.Plan({SMOKE_PLAN!r}).run(numpy.load('x.npy'), rate=12000)\n"
        "assert value['rms']['quantiles']['0.5'] > 0, value\n"
    )
    run(python, "-c", use, cwd=folder)
    print(f"dist: {version}, from the wheel: {' '.join(answer.split())[:120]}")


def main() -> None:
    """Build, check, try, and keep the result in dist/."""
    with tempfile.TemporaryDirectory(prefix="atoll-dist-") as name:
        folder = Path(name)
        source = folder / "source"
        clean_copy(source)
        run(sys.executable, "-m", "build", "--outdir", folder / "out", cwd=source)
        (sdist,) = (folder / "out").glob("*.tar.gz")
        (wheel,) = (folder / "out").glob("*.whl")
        check_sdist(sdist, source)
        check_wheel(wheel)
        empty = folder / "empty"
        empty.mkdir()
        smoke(wheel, empty)
        (ROOT / "dist").mkdir(exist_ok=True)
        for made in (sdist, wheel):
            shutil.copy2(made, ROOT / "dist" / made.name)
            print(f"dist: {made.name} {made.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
