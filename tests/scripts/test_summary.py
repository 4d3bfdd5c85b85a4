"""`scripts/summary.py` adds up pytest's reports and keeps their verdict."""

import sys

import pytest

REPORT = """\
<testsuites>
<testsuite tests="{}" failures="{}" errors="{}" skipped="{}" time="1.5"/>
</testsuites>
"""


@pytest.fixture
def summary(script, tmp_path):
    def run(**reports):
        for name, counts in reports.items():
            (tmp_path / f"{name.replace('_', '-')}.xml").write_text(REPORT.format(*counts))
        done = script("summary.py")(str(tmp_path), interpreter=(sys.executable,))
        return done.returncode, done.stdout.splitlines()[-1].strip("= ")

    return run


def test_adds_up(summary):
    assert summary(test=(10, 0, 0, 1), slow=(3, 0, 0, 0)) == (0, "12 passed, 1 skipped in 3.00s")


def test_a_failure_is_a_failure(summary):
    assert summary(test=(10, 1, 0, 0), slow=(2, 0, 1, 0)) == (
        1,
        "1 failed, 10 passed, 1 errors in 3.00s",
    )


def test_the_matrix_counts_as_a_verdict_only(summary):
    assert summary(test=(10, 0, 0, 0), matrix_debian=(4, 1, 0, 0)) == (1, "10 passed in 1.50s")


def test_no_report_is_no_success(summary):
    assert summary()[0] == 1
