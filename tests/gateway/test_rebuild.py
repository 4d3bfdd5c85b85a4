"""Putting a rebuilt ledger in its place: the old one is kept, and nothing is changed before the new
one is whole.
"""

import pytest

from atoll.gateway import rebuild as rebuild_module
from atoll.gateway import records as r
from atoll.gateway.config import Config
from atoll.gateway.errors import LedgerError
from atoll.gateway.ledger import Ledger
from atoll.gateway.ledger_check import check_ledger
from atoll.gateway.rebuild import NotReached, Wanted, rebuild, write
from atoll.gateway.rebuilt import Rebuilt
from atoll.transport.url import parse_broker

ROWS = [r.SettingSet("term", 7), r.SettingSet("seed", 1), r.SettingSet("epoch", 3)]
FOUND = Rebuilt(ROWS, {}, [])
NOWHERE = [parse_broker("mqtt://127.0.0.1:9")]


def config(state):
    return Config("home", NOWHERE, state, "127.0.0.1", 0, "auto", "normal")


def settings(state):
    ledger = Ledger(state)
    rows = {row.name: row.value for row in ledger.load() if isinstance(row, r.SettingSet)}
    ledger.close()
    return rows


def quietly(line):
    pass


def test_where_there_was_none_it_simply_is_there(tmp_path):
    assert write(tmp_path, FOUND) is None
    assert settings(tmp_path) == {"term": 7, "seed": 1, "epoch": 3}
    assert {path.name for path in tmp_path.iterdir()} <= {"ledger.sqlite", "lock"}


def test_the_old_one_is_kept_with_its_log_which_is_not_read_into_the_new_one(tmp_path):
    old = Ledger(tmp_path)
    old.commit([r.SettingSet("term", 5)])
    before = (tmp_path / "ledger.sqlite").read_bytes()
    log = (tmp_path / "ledger.sqlite-wal").read_bytes()
    kept = write(tmp_path, FOUND)  # as after a kill: the log is still there
    assert kept is not None
    assert kept.read_bytes() == before
    assert (tmp_path / f"{kept.name}-wal").read_bytes() == log
    assert not (tmp_path / "ledger.sqlite-wal").exists()
    old.close()
    assert settings(tmp_path)["term"] == 7


def test_a_log_without_its_ledger_is_not_read_into_the_new_one(tmp_path):
    old = Ledger(tmp_path)
    old.commit([r.SettingSet("term", 5)])
    (tmp_path / "ledger.sqlite").unlink()
    assert write(tmp_path, FOUND) is None
    assert not (tmp_path / "ledger.sqlite-wal").exists()
    old.close()
    assert settings(tmp_path)["term"] == 7


def test_what_is_not_whole_takes_no_place(tmp_path):
    old = Ledger(tmp_path)
    old.commit([r.SettingSet("term", 5)])
    old.close()
    with pytest.raises(LedgerError, match="not whole"):
        write(tmp_path, Rebuilt([*ROWS, r.MarkSet("nix", "k", 1)], {}, []))
    assert settings(tmp_path)["term"] == 5


def test_a_whole_ledger_is_left_alone_unless_told(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)
    ledger.commit(ROWS)
    ledger.close()
    with pytest.raises(LedgerError, match=r"is whole.*--force"):
        rebuild(config(tmp_path), Wanted(0, 1.0, False), quietly)
    monkeypatch.setattr(rebuild_module, "FIRST_CONNECTION_S", 0.1)
    with pytest.raises(NotReached):
        rebuild(config(tmp_path), Wanted(0, 5.0, True), quietly)
    assert check_ledger(tmp_path).whole


def test_a_running_gateway_is_in_the_way(tmp_path):
    running = Ledger(tmp_path)
    with pytest.raises(LedgerError, match="in use by another gateway"):
        rebuild(config(tmp_path), Wanted(0, 1.0, True), quietly)
    running.close()


def test_no_device_is_no_ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild_module, "FIRST_CONNECTION_S", 5.0)
    with pytest.raises(Exception, match="no device answered"):
        rebuild(config(tmp_path), Wanted(0, 0.2, False), quietly)
    assert not (tmp_path / "ledger.sqlite").exists()
