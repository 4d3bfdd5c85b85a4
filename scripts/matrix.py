"""Run the tests of the device side with each supported paho-mqtt and cbor2.

    python scripts/matrix.py [NAME ...]

`.venv` has the newest of both. Each row below gets a small environment of its own in
`build/matrix/NAME`, kept until the row or the Python changes; `build/ns` on its path makes
`atoll.*` importable there without an installation. numpy is not part of it: the device side has to
do without. A report a row goes to `build/reports/matrix-NAME.xml`.
"""

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "reports"
# Debian 12 has the first row, Ubuntu 24.04 cbor2 5.6 between the rows.
ROWS = {
    "debian": ("paho-mqtt==1.6.1", "cbor2==5.4.6"),
    "middle": ("paho-mqtt==2.0.0", "cbor2==5.9.0"),
}
NEWEST = {"paho-mqtt": "2", "cbor2": "6"}
# Those of them that .venv has: the last two have no wheels for some machines.
TOOLS = ("pytest", "pytest-timeout", "hypothesis", "pycddl", "iotcore")
TESTS = ("tests/wire", "tests/transport", "tests/runtime")


def version(package: str) -> str:
    """The version in .venv, or "" where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def environment(name: str, packages: tuple[str, ...]) -> Path:
    """The Python of the row's environment, made anew when what it is made of has changed."""
    folder = ROOT / "build" / "matrix" / name
    versions = {tool: version(tool) for tool in TOOLS}
    tools = tuple(f"{tool}=={found}" for tool, found in versions.items() if found)
    key = hashlib.sha256(repr((sys.version, packages, tools, str(ROOT))).encode()).hexdigest()
    stamp, python = folder / "stamp", folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=False, symlinks=True)
        install = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet")
        subprocess.run([*install, "--disable-pip-version-check", *packages, *tools], check=True)
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "atoll.pth").write_text(f"{ROOT / 'build' / 'ns'}\n")
        stamp.write_text(key)
    return python


def run_row(name: str, packages: tuple[str, ...]) -> int:
    """Run the tests in one row's environment; pytest's exit code."""
    start = time.monotonic()
    python = environment(name, packages)
    report = REPORTS / f"matrix-{name}.xml"
    select = ("-m", "not root and not slow and not site")
    command = [str(python), "-m", "pytest", "-q", f"--junitxml={report}", *select, *TESTS]
    # Not CI's strictness: a test that wants numpy is skipped here, and has run in .venv.
    clean = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "CI"}}
    code = subprocess.run(command, cwd=ROOT, env=clean).returncode
    took = time.monotonic() - start
    print(f"matrix: {name} ({', '.join(packages)}): exit {code}, {took:.0f} s", flush=True)
    return code


def check_newest() -> list[str]:
    """The rest of the matrix is .venv: say where it is older than it has to be."""
    return [
        f"{package} {version(package)} in .venv, not {major}.x"
        for package, major in NEWEST.items()
        if not version(package).startswith(f"{major}.")
    ]


def main(names: list[str]) -> int:
    """Run the rows named, or all; 1 if one fails."""
    if unknown := sorted(set(names) - set(ROWS)):
        print(f"matrix: no row {', '.join(unknown)}; there are {', '.join(ROWS)}", file=sys.stderr)
        return 2
    old = check_newest()
    for line in old:
        print(f"matrix: {line}", file=sys.stderr)
    codes = [run_row(name, ROWS[name]) for name in names or ROWS]
    return int(any(codes) or bool(old))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
