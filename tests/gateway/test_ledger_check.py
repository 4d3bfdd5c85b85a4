"""A check of a ledger: silent about every state that a gateway leaves, and one line for each kind
of damage.
"""

import json
import shutil
import sqlite3

import pytest
from gateway_fleet import Fleet
from test_ledger import workload

from atoll.gateway import records as r
from atoll.gateway.ledger import TABLES, VERSION, Ledger
from atoll.gateway.ledger_check import FINDINGS_MAX, check_ledger


class Checked(Fleet):
    """Checks its ledger after each commit."""

    def carry(self, effects):
        super().carry(effects)
        if self.ledger is not None and effects and type(effects[0]).__name__ == "Commit":
            report = check_ledger(self.ledger.path.parent)
            assert report.whole, report.findings


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """The ledger of a site that has done a little of everything."""
    folder = tmp_path_factory.mktemp("ledger")
    ledger = Ledger(folder)
    workload(Checked(ledger=ledger))
    ledger.close()
    return folder


@pytest.fixture
def state(worked, tmp_path):
    shutil.copytree(worked, tmp_path / "state")
    return tmp_path / "state"


def spoil(state, *statements):
    """Change the file behind the ledger's back."""
    db = sqlite3.connect(state / "ledger.sqlite", isolation_level=None)
    for statement in statements:
        db.execute(statement)
    db.close()


def texts(state):
    return [str(finding) for finding in check_ledger(state).findings]


def add(state, *records):
    """Write records as a gateway with a fault would: their checksums are right."""
    ledger = Ledger(state)
    ledger.commit(records)
    ledger.close()


def test_a_ledger_is_whole_after_every_commit_of_a_site(state):
    report = check_ledger(state)
    assert report.whole
    assert report.version == VERSION
    assert set(report.rows) == {*TABLES, "partial"}
    assert report.rows["stream"] == 4


def test_it_changes_nothing_and_reads_beside_a_running_gateway(state):
    before = (state / "ledger.sqlite").read_bytes()
    running = Ledger(state)
    running.commit([r.SettingSet("epoch", 99)])
    assert check_ledger(state).whole
    running.commit([r.SettingSet("epoch", 100)])
    running.close()
    assert check_ledger(state).whole
    assert len(before)


def test_nothing_there_is_a_finding(tmp_path):
    report = check_ledger(tmp_path)
    assert texts(tmp_path) == ["there is no ledger here"]
    assert report.version == -1
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_file_of_something_else_is_a_finding(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database" * 100)
    assert "cannot be read: file is not a database" in texts(tmp_path)[0]
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE x (y)")
    shutil.move(tmp_path / "other", tmp_path / "ledger.sqlite")
    assert "this is no ledger" in texts(tmp_path)[0]


def test_a_newer_version_is_a_finding(state):
    spoil(state, "PRAGMA user_version = 9")
    assert texts(state) == [f"version 9, this atoll knows up to {VERSION}"]


def test_a_changed_value_names_its_row(state):
    spoil(state, "UPDATE stream SET unit = 'V' WHERE key = 'k2'")
    assert texts(state)[0] == "stream: a row is not what was written: ['v', 'k2']"


def test_a_lost_row_is_found_by_the_totals(state):
    spoil(state, "DROP TRIGGER mark_gone", "DROP TRIGGER dataset_gone", "DELETE FROM dataset")
    found = texts(state)
    assert any(t.startswith("dataset: 0 rows are there, written were 1 rows") for t in found)
    assert "stream: v/k0 is of no dataset" in found
    assert any(t.startswith("shard: v/") and t.endswith("is of no dataset") for t in found)


def test_a_damaged_page_is_found(state):
    path = state / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    for at in range(8192, len(data), 4096):
        data[at : at + 64] = bytes(64)
    path.write_bytes(data)
    assert texts(state)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (r.ShardSet("v", 1, 10**6, "a", "a"), "below a shard's epoch 1000000"),
        (r.ShardSet("v", 1, 1, "ghost", "a"), "v/1 is owned by ghost, a nobody"),
        (r.SlotSet(10**6, 0, 1, 0), "lies beyond the table's"),
        (r.SlotSet(0, 77, 1, 0), "belongs to owner 77, a nobody"),
        (r.StreamSet("v", "new", 1, "i16", 1, 1.0, 1.0, "", 0, 0, "[]"), "its key says 21"),
        (r.StreamSet("v", "k0", 8, "i16", 1, 1.0, 1.0, "", 0, 0, "{]"), "anchors cannot be read"),
        (r.HoldingSet("ghost", "v", "k0", 0, 1, 0, 9, 0, 0, 9), "no such device"),
        (r.HoldingSet("a", "v", "nix", 0, 1, 0, 9, 0, 0, 9), "no such stream"),
        (r.HoldingSet("a", "v", "k3", 9, 1, 0, 9, 0, 0, 9), "ends at block 1"),
        (r.PieceSet(b"p", "v", "nix", 0, 0, 0, 1, 0, 0, 0, 0), "piece 0: no such stream"),
        (r.PartialsAdded([(999, 0, b"x")]), "1 partials of query 999, which is not there"),
        (r.MarkSet("nix", "k0", 9), "nix k0: no such standing job"),
        (r.StandingSet("loud", "rms | | x", "v", 1, 0, 0), "loud: its plan cannot be read"),
        (r.StandingSet("loud", "count", "nix", 1, 0, 0), "loud is over nix, which is not there"),
    ],
)
def test_tables_that_disagree_are_found(state, record, expected):
    add(state, record)
    assert any(expected in text for text in texts(state)), texts(state)


def test_overlapping_runs_are_found(state):
    add(
        state,
        r.HoldingSet("a", "v", "k3", 50, 60, 5000, 100, 0, 0, 9),
        r.HoldingSet("a", "v", "k3", 55, 61, 5050, 100, 0, 0, 9),
    )
    assert "overlaps the run before it" in texts(state)[0]


def test_a_ledger_without_checksums_is_read(state):
    ledger = Ledger(state)
    ledger.close()
    db = sqlite3.connect(state / "ledger.sqlite", isolation_level=None)
    for table in [*TABLES, "partial"]:
        for trigger in ("added", "gone"):
            db.execute(f"DROP TRIGGER {table}_{trigger}")
        db.execute(f'ALTER TABLE "{table}" DROP COLUMN row_crc')
    db.execute("DROP TABLE total")
    db.execute("PRAGMA user_version = 1")
    db.close()
    report = check_ledger(state)
    assert report.whole, report.findings
    assert report.version == 1


def test_findings_are_bounded(state):
    add(state, *(r.MarkSet("nix", f"k{n}", n) for n in range(3000)))
    assert len(check_ledger(state).findings) == FINDINGS_MAX


def test_findings_are_texts_for_json(state):
    spoil(state, "UPDATE setting SET value = 3 WHERE name = 'term'")
    report = check_ledger(state)
    assert json.dumps([finding._asdict() for finding in report.findings])
