"""The ledger: rows in and out, one transaction a batch, and a restart at every commit."""

import os
import sqlite3
import subprocess
import sys
from array import array

import pytest
from gateway_fleet import RECEIPTS, Fleet

from atoll.gateway import records as r
from atoll.gateway.core import GatewayCore, Options
from atoll.gateway.errors import LedgerError
from atoll.gateway.ledger import VERSION, Ledger, row_crc
from atoll.gateway.ledger_check import check_ledger
from atoll.kernels import Plan
from atoll.wire import messages as wire

PLAN = "window 10 | rms | moments"


def durable(core):
    """Everything of a core that a restart must bring back."""
    catalog = core.catalog
    streams = [s for d in catalog.datasets.values() for s in d.streams.values()]
    return {
        "epoch": core.epoch,
        "slots": (core.owners.table.size, core.owners.table.slots(), core.owners.table.quota),
        "devices": {name: m.row for name, m in core.members.members.items()},
        "datasets": {name: d.row for name, d in catalog.datasets.items()},
        "shards": {s.id: s.row() for s in catalog.all_shards()},
        "bytes": {s.id: s.byte_count for s in catalog.all_shards()},
        "owned": {d: set(o) for d, o in core.owners.owned.items() if o},
        "streams": {(s.info, s.shard): s.row() for s in streams},
        "held": {s.info: s.held for s in streams},
        "puts": {k: (p.next_piece, p.pieces) for k, p in core.puts._streams.items()},
        "queries": {
            job: (q.row, bytes(q.state), q.parts, q.left, q.tasks)
            for job, q in core.jobs.open.items()
        },
        "finished": dict(core.jobs.finished),
        "standing": {
            name: (job.row, {k: (_lines(p), p.newest) for k, p in job.streams.items()})
            for name, job in core.standing.jobs.items()
        },
    }


def workload(fleet):
    """A little of everything; `fleet` notes the state after each commit."""
    for name in "abc":
        fleet.add(name)
    values = array("h", range(600))
    for number in range(4):
        fleet.put("v", {f"k{number}": values.tobytes()}, put_id=bytes([number]) * 16)
    fleet.put("v", {"k0": values.tobytes()}, put_id=b"z" * 16)
    fleet.put("v", {"k1": values.tobytes()}, put_id=b"y" * 16, index=1)
    fleet.put("v", {"k1": values.tobytes()}, put_id=b"y" * 16, index=0)
    fleet.query("moments", "v")
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(PLAN, "v")
    fleet.ask(wire.Start(fleet.number(), "hum", PLAN, "v", "100"))
    partial = Plan(PLAN).partial(values[:100], rate=1000.0, key="k0")
    for sample in (200, 0, 100):
        fleet.devices["a"].say_results("hum", [wire.Result("k0", sample, False, partial, 0)])
        fleet.settle()
    fleet.command("drain", "c")
    fleet.run(3.0)
    fleet.cut.add("b")
    fleet.run(15.0)
    fleet.devices["a"].work()
    fleet.settle()
    fleet.put("w", {"x": values.tobytes()}, put_id=b"w" * 16)
    fleet.command("rm", "w")
    fleet.command("stop", "hum")
    fleet.run(2.0)
    fleet.command("forget", "b")
    fleet.run(5.0)


class Noting(Fleet):
    """Notes, for each commit, its records and what the core then is."""

    def __init__(self):
        self.notes = []
        super().__init__()

    def carry(self, effects):
        if effects and type(effects[0]).__name__ == "Commit":
            import copy

            self.notes.append((effects[0].records, copy.deepcopy(durable(self.core))))
        super().carry(effects)


def test_a_restart_at_every_commit_gives_the_same_state(tmp_path):
    fleet = Noting()
    workload(fleet)
    assert len(fleet.notes) > 40
    ledger = Ledger(tmp_path)
    for number, (batch, expected) in enumerate(fleet.notes):
        ledger.commit(batch)
        core = GatewayCore(Options("test", receipts=RECEIPTS, seed=12345))
        core.restore(ledger.load(), fleet.now, fleet.wall)
        found = durable(core)
        for part, value in expected.items():
            assert found[part] == value, f"{part} differs after commit {number}"
    ledger.close()


def test_a_restarted_site_moves_nothing_and_answers(tmp_path):
    ledger = Ledger(tmp_path)
    fleet = Fleet("a", "b", "c", ledger=ledger)
    values = array("h", range(600))
    fleet.put("v", {f"k{n}": values.tobytes() for n in range(6)})
    before = {s.id: s.owners for s in fleet.core.catalog.all_shards()}
    epoch, devices = fleet.core.epoch, fleet.devices
    again = Fleet(ledger=ledger, rows=ledger.load(), now=fleet.now)
    again.devices = devices
    for device in devices.values():
        device.ask_lease()
    again.run(30.0)
    assert again.core.term == 2
    assert again.core.epoch == epoch
    assert {s.id: s.owners for s in again.core.catalog.all_shards()} == before
    assert again.core.moves.moved_bytes == 0
    assert again.states() == {"a": "ready", "b": "ready", "c": "ready"}
    plan = Plan("moments")
    expected = plan.merge([plan.partial(values, rate=1000.0, key=f"k{n}") for n in range(6)])
    assert again.query("moments", "v").blob == expected
    ledger.close()


def test_an_open_query_goes_on_after_a_restart_and_keeps_what_was_merged(tmp_path):
    ledger = Ledger(tmp_path)
    fleet = Fleet("a", "b", ledger=ledger)
    values = array("h", range(600))
    fleet.put("v", {f"k{n}": values.tobytes() for n in range(8)})
    for device in fleet.devices.values():
        device.mute = True
    fleet.query("moments", "v")
    fleet.devices["a"].work()
    fleet.settle()
    done = fleet.core.jobs.open["q1"].done
    assert 0 < done < 8
    again = Fleet(ledger=ledger, rows=ledger.load(), now=fleet.now)
    again.devices = fleet.devices
    assert again.core.jobs.open["q1"].done == done
    for device in again.devices.values():
        device.mute, device.tasks = False, []
        device.ask_lease()
    again.run(2.0)
    assert again.reply(2).status == wire.DONE
    sent = sum(
        len(message.tasks)
        for device in again.devices.values()
        for message in device.told
        if isinstance(message, wire.Tasks) and message.boot == 2
    )
    assert sent == 8 - done, "what was merged is not computed again"
    ledger.close()


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    ledger = Ledger(tmp_path)
    good = r.SettingSet("epoch", 1)
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.commit([good, r.SettingSet("term", "no number")])
    assert not [row for row in ledger.load() if isinstance(row, r.SettingSet)]
    ledger.commit([good])
    assert good in ledger.load()
    ledger.close()


def test_the_first_partial_of_a_task_stays(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.commit([r.PartialsAdded([(1, 0, b"first"), (1, 1, b"x")])])
    ledger.commit([r.PartialsAdded([(1, 0, b"second")])])
    rows = ledger._db.execute("SELECT task, data FROM partial ORDER BY task").fetchall()
    assert rows == [(0, b"first"), (1, b"x")]
    ledger.close()


def test_one_gateway_a_directory(tmp_path):
    ledger = Ledger(tmp_path)
    with pytest.raises(LedgerError, match="in use by another gateway"):
        Ledger(tmp_path)
    ledger.close()
    Ledger(tmp_path).close()


def test_a_newer_ledger_is_left_alone(tmp_path):
    Ledger(tmp_path).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(LedgerError, match=f"version {VERSION + 1}.*newer atoll"):
        Ledger(tmp_path)


def test_somebody_elses_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(LedgerError, match="something else"):
        Ledger(tmp_path)


@pytest.mark.parametrize("damage", ["text", "middle", "cut"])
def test_a_damaged_ledger_stops_with_one_line(tmp_path, damage):
    ledger = Ledger(tmp_path)
    rows = [(1, task, os.urandom(200)) for task in range(2_000)]
    ledger.commit([r.PartialsAdded(rows), r.SettingSet("epoch", 5)])
    ledger.close()
    path = tmp_path / "ledger.sqlite"
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"this is no database " * 200)
    elif damage == "middle":
        data[len(data) // 2 : len(data) // 2 + 8_192] = bytes(8_192)
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)
    with pytest.raises(LedgerError) as caught:
        Ledger(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_process_says_so_and_ends_with_1(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"no database at all" * 100)
    code = "import sys, argparse; from atoll.gateway import main; p = argparse.ArgumentParser();"
    code += "main.add_arguments(p); sys.exit(main.run(p.parse_args()))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "--state", str(tmp_path), "--site", "t"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "ledger" in done.stderr


def test_a_directory_that_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(tmp_path / "file")


def test_a_disk_that_is_full_is_not_the_end(tmp_path):
    ledger = Ledger(tmp_path)
    ledger._db.execute("PRAGMA max_page_count = 60")
    with pytest.raises(LedgerError) as caught:
        ledger.commit([r.PartialsAdded([(1, n, bytes(10_000)) for n in range(100)])])
    assert not caught.value.fatal
    ledger._db.execute("PRAGMA max_page_count = 100000")
    ledger.commit([r.SettingSet("epoch", 2)])
    ledger.close()


def _lines(progress):
    return {number: (line.mark, line.ahead) for number, line in progress.lines.items()}


def reopened_with(tmp_path, *statements):
    """A ledger that somebody changed behind the gateway's back."""
    ledger = Ledger(tmp_path)
    rows = [(1, task, b"partial") for task in range(9)]
    ledger.commit([r.PartialsAdded(rows), r.SettingSet("epoch", 5), r.SettingSet("term", 1)])
    ledger.commit([r.SettingSet("epoch", 6), r.MarkSet("job", "k", 7)])
    assert ledger.verify() == 12
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        for statement in statements:
            db.execute(statement)
    db.close()
    return Ledger(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE setting SET value = 7 WHERE name = 'epoch'", "a row of setting has changed"),
        ("UPDATE mark SET key = 'l'", "a row of mark has changed"),
        ("DROP TRIGGER mark_gone", "DELETE"),
        ("DROP TRIGGER mark_added", "INSERT"),
    ],
)
def test_changed_and_lost_rows_are_noticed(tmp_path, change, said):
    more = {
        "DELETE": "DELETE FROM mark",
        "INSERT": "INSERT INTO mark SELECT job, 'l', sample, row_crc FROM mark",
    }
    ledger = reopened_with(tmp_path, change, *([more[said]] if said in more else []))
    with pytest.raises(LedgerError, match="is damaged") as caught:
        ledger.load()
    assert said in more or said in str(caught.value)


def test_a_damaged_name_is_no_traceback(tmp_path):
    Ledger(tmp_path).close()
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE\xec\xffABLE"))
    with pytest.raises(LedgerError):
        Ledger(tmp_path).load()


def test_a_changed_partial_is_noticed(tmp_path):
    ledger = reopened_with(tmp_path, "UPDATE partial SET data = x'00' WHERE task = 3")
    ledger.load()  # its query is not open: nobody needs it
    with pytest.raises(LedgerError, match="a row of partial has changed"):
        ledger.verify()


def test_a_ledger_without_checksums_is_taken_over(tmp_path):
    ledger = reopened_with(tmp_path)
    before = ledger.load()
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        for name in names:
            for trigger in ("added", "gone"):
                db.execute(f"DROP TRIGGER IF EXISTS {name}_{trigger}")
            if name != "total":
                db.execute(f"ALTER TABLE {name} DROP COLUMN row_crc")
        db.execute("DROP TABLE total")
        db.execute("PRAGMA user_version = 1")
    db.close()
    again = Ledger(tmp_path)
    assert again.load() == before
    assert again.verify() == 12


def test_a_ledger_of_version_two_is_taken_over(tmp_path):
    """Its devices have no speed and no time of waking."""
    ledger = reopened_with(tmp_path)
    before = ledger.load()
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        for row in db.execute("SELECT * FROM device").fetchall():
            old = row[: -len(r.DeviceSet._field_defaults) - 1]
            numbers = (row_crc("device", old), row[0])
            db.execute("UPDATE device SET row_crc = ? WHERE id = ?", numbers)
        for name in r.DeviceSet._field_defaults:
            db.execute(f"ALTER TABLE device DROP COLUMN {name}")
        db.execute("PRAGMA user_version = 2")
    db.close()
    again = Ledger(tmp_path)
    assert again.load() == before
    assert again.verify() == 12


def test_a_ledger_of_version_three_is_taken_over(tmp_path):
    """It has no table of requests; a check finds nothing wrong with that."""
    ledger = reopened_with(tmp_path)
    before = ledger.load()
    ledger.close()
    found = check_ledger(tmp_path).findings
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("DROP TABLE request")
        db.execute("DELETE FROM total WHERE name = 'request'")
        db.execute("PRAGMA user_version = 3")
    db.close()
    report = check_ledger(tmp_path)
    assert report.findings == found
    assert (report.version, report.rows["mark"], report.rows["request"]) == (3, 1, 0)
    again = Ledger(tmp_path)
    assert again.load() == before
    assert again.verify() == 12
    again.commit([r.RequestSet(1, 1, "c", b"digest", 0, "{}")])
    assert again.verify() == 13
    again.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE request", "there is no table request"),
        ("DROP TABLE mark", "there is no table mark"),
        ("ALTER TABLE mark DROP COLUMN sample", "table mark has no column sample"),
        ("ALTER TABLE setting DROP COLUMN row_crc", "table setting has no column row_crc"),
        ("ALTER TABLE device DROP COLUMN wake_ms", "table device has no column wake_ms"),
    ],
)
@pytest.mark.parametrize("version", [2, VERSION])
def test_what_a_version_had_is_missed(tmp_path, version, change, said):
    """Nothing that is gone counts as something that came later."""
    reopened_with(tmp_path).close()
    table = change.split()[2]
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        for trigger in ("added", "gone"):
            db.execute(f"DROP TRIGGER {table}_{trigger}")
        db.execute(change)
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    gone = (version, table) not in ((2, "request"), (2, "device"))
    found = [one.text for one in check_ledger(tmp_path).findings if one.table == table]
    assert any(said in text for text in found) == gone
    if gone and table != "device":  # that has no rows, and nothing in it could be read wrong
        with pytest.raises(LedgerError) as caught:
            Ledger(tmp_path).load()
        assert "ledger check" in str(caught.value)
