"""Add up the reports that pytest left in a folder, and end as pytest does: with one line.

    python scripts/summary.py build/reports

Reports of the version matrix (`matrix-*.xml`) repeat tests of the main run with other versions;
they are listed and count towards the exit code, and are not added to the last line.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple


class Counts(NamedTuple):
    """What one report, or several added up, says."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def plus(self, other: "Counts") -> "Counts":
        """The sum, field by field."""
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.errors + other.errors,
            self.skipped + other.skipped,
            self.seconds + other.seconds,
        )

    def line(self) -> str:
        """The words of pytest's last line, without its frame."""
        words = [f"{self.failed} failed"] * bool(self.failed)
        words += [f"{self.passed} passed"]
        words += [f"{self.skipped} skipped"] * bool(self.skipped)
        words += [f"{self.errors} errors"] * bool(self.errors)
        return f"{', '.join(words)} in {self.seconds:.2f}s"


def read(path: Path) -> Counts:
    """The counts of one JUnit file."""
    total = Counts()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        tests, failed, errors, skipped = (
            int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")
        )
        seconds = float(suite.get("time", 0))
        total = total.plus(
            Counts(tests - failed - errors - skipped, failed, errors, skipped, seconds)
        )
    return total


def main(folder: Path) -> int:
    """Print the summary; 1 if a report has a failure or there is no report."""
    total, bad = Counts(), False
    for path in sorted(folder.glob("*.xml")):
        counts = read(path)
        print(f"{path.stem:<20} {counts.line()}")
        bad = bad or bool(counts.failed or counts.errors)
        if not path.stem.startswith("matrix-"):
            total = total.plus(counts)
    print(f" {total.line()} ".center(100, "="))
    return int(bad or total.passed == 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
