"""`scripts/check` runs every step, also after a failed one, and says so in its exit code."""

MAKEFILE = """\
good:
\t@echo good ran
bad:
\t@echo bad ran; exit 1
"""


def test_goes_on_after_a_failure(script, tmp_path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    done = script("check")("bad", "good")
    assert done.returncode == 1
    assert "good ran" in done.stdout
    table = done.stdout.splitlines()[-2:]
    assert [line.split()[::3] for line in table] == [["bad", "FAILED"], ["good", "ok"]]


def test_ends_well_when_all_did(script, tmp_path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    assert script("check")("good").returncode == 0
