"""Rules for every test run: what may be skipped, and where the recordings are.

A developer's machine may lack a tool; the tests that need it are skipped there and say why. CI may
not: with CI=true such a skip is a failure, so that nothing is left out unseen. A reason that begins
with "platform:" names something that no package could bring (root, a kernel feature, an
architecture) and stays a skip.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
STRICT = os.environ.get("CI") == "true"
ALLOWED = "platform:"


def skip_reason(longrepr: object) -> str:
    """The reason that a skipped report gives, without pytest's own prefix."""
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return str(text).removeprefix("Skipped: ")


def forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure, unless its reason is allowed or it is an expected failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = skip_reason(report.longrepr)
    if not reason.startswith(ALLOWED):
        report.outcome = "failed"
        report.longrepr = f"with CI=true nothing that a package could bring is skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true, a test that skips itself fails."""
    report = yield
    if STRICT:
        forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """With CI=true, a test file that skips itself fails."""
    report = yield
    if STRICT:
        forbid_skip(report)
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need root are skipped for everybody else."""
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("platform: needs root")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings: ATOLL_RECORDINGS, else ../shared/data/vibration."""
    named = os.environ.get("ATOLL_RECORDINGS")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "vibration"
    if not (folder / "index.json").is_file():
        pytest.skip(f"no recordings in {folder}: set ATOLL_RECORDINGS")
    return folder
