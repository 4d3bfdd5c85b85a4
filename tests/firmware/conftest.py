"""The firmware's C, built for this machine with sanitizers, or for a board."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Firmware:
    """The sources, where they are built, and how."""

    sources = ROOT / "firmware_stubs"
    harnesses = ROOT / "tests" / "firmware" / "native"
    build = ROOT / "build" / "firmware"

    def need(self, *tools: str) -> None:
        """Skip the test where a tool is missing; with CI=true that is a failure."""
        if missing := [tool for tool in tools if shutil.which(tool) is None]:
            pytest.skip(f"{', '.join(missing)}: not installed (scripts/setup check)")

    def make(self, *words: str) -> None:
        """Run the firmware's Makefile; what it prints becomes the failure."""
        self.need("make", "gcc")
        command = ["make", "--no-print-directory", "-C", self.sources, f"BUILD={self.build}"]
        self.build.mkdir(parents=True, exist_ok=True)
        # Tests run side by side, and this folder is all of theirs.
        with (self.build / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = subprocess.run([*command, *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def native(self, name: str) -> Path:
        """The harness of this name, built with sanitizers."""
        path = self.build / "native" / name
        self.make(str(path))
        return path

    def spoilt(
        self, name: str, folder: Path, before: str, after: str, *, sanitize: bool = False
    ) -> Path:
        """The harness of this name over common code in which `before`, which stands in it once,
        is `after`: what the harness is there to find.
        """
        copy = folder / "firmware_stubs"
        shutil.copytree(self.sources, copy)
        sources = [*(copy / "common").glob("*.[ch]")]
        found = [path for path in sources if path.read_text().count(before)]
        assert len(found) == 1, f"the code has changed: spoil it anew ({before})"
        text = found[0].read_text()
        assert text.count(before) == 1, f"this stands in it more than once: {before}"
        found[0].write_text(text.replace(before, after))
        path = folder / "build" / "native" / name
        command = ["make", "-C", copy, f"BUILD={folder / 'build'}", f"TESTS={self.harnesses}"]
        options = [] if sanitize else ["SANITIZE=-O2"]
        subprocess.run([*command, *options, path], check=True, capture_output=True)
        return path

    def symbols(self, variant: str, kinds: str) -> set[str]:
        """Symbols of these kinds (letters of nm) in the objects of one strict build."""
        objects = sorted((self.build / "strict" / variant).glob("*.o"))
        listed = subprocess.run(["nm", *objects], capture_output=True, text=True, check=True)
        lines = [line.split() for line in listed.stdout.splitlines()]
        return {words[-1] for words in lines if len(words) > 1 and words[-2] in set(kinds)}

    def run(self, name: str, *words: str, timeout_s: float = 110) -> dict[str, Any]:
        """Run a harness that ends with one line of JSON and exit code 0."""
        command = [str(self.native(name)), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@pytest.fixture(scope="session")
def firmware() -> Firmware:
    """Builds and runs."""
    return Firmware()
