"""Tests in network namespaces. `make test-net` repeats each until its figures mean something; `make
test-slow` runs each a few times.
"""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

OUTPUT = Path(__file__).parents[2] / "build" / "bench" / "net.json"
_rows = []


@pytest.fixture(scope="session")
def lab_allowed():
    """Skip where the kernel permits no namespaces."""
    from namespaces import refusal

    reason = refusal()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def net_site(tmp_path, lab_allowed, request):
    """A site over namespaces; `net_site(devices, profile=...)` starts it."""
    from net_site import NetSite

    made = []

    def start(devices, profile="normal", sources=()):
        site = NetSite(tmp_path / f"site{len(made)}", profile=profile)
        made.append(site)
        site.start(devices, sources)
        return site

    yield start
    for site in made:
        site.stop()


def figures_of(seconds):
    """n, p50, p99 and the largest of some times."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        "n": len(ordered),
        "p50_s": round(ordered[last // 2], 3),
        "p99_s": round(ordered[min(last, -(-99 * len(ordered) // 100) - 1)], 3),
        "max_s": round(ordered[-1], 3),
    }


@pytest.fixture
def note():
    """Keep a figure for the table and for build/bench/net.json: `note(what, limit, seconds)`."""

    def keep(what, limit_s, seconds):
        row = {"what": what, "limit_s": limit_s, **figures_of(seconds)}
        _rows.append(row)
        return row

    return keep


def pytest_terminal_summary(terminalreporter):
    if not _rows:
        return
    terminalreporter.section("times in network namespaces, seconds")
    columns = ("n", "p50_s", "p99_s", "max_s", "limit_s")
    terminalreporter.line(f"{'':<52}" + "".join(f"{name:>9}" for name in columns))
    for row in _rows:
        cells = "".join(f"{row[name]:>9}" for name in columns)
        terminalreporter.line(f"{row['what']:<52}{cells}")
    from net_site import FULL

    if FULL:
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        head = {_key(row["what"]): row["p99_s"] for row in _rows}
        OUTPUT.write_text(json.dumps({**head, "rows": _rows}, indent=1) + "\n")


def _key(what):
    return "".join(c if c.isalnum() else "_" for c in what.partition(":")[0]) + "_p99_s"
