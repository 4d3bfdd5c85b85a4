"""`atoll sim` as a person calls it."""

import json

from atoll.cli.main import run
from atoll.gateway.desk import Desk


def test_it_prints_figures(capsys):
    assert run(["sim", "--seeds", "1", "--hours", "0.003", "--faults", "crash", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["seeds"] == 1
    assert {said[k] for k in ("lost", "duplicated", "wrong", "double_owners", "unfinished")} == {0}
    assert said["events"] > 500
    assert said["events_per_s"] > 0


def test_it_says_how_to_see_a_failure_again(capsys, monkeypatch):
    monkeypatch.setattr(Desk, "record", lambda self, record: None)
    assert run(["sim", "--seeds", "9", "--hours", "0.004"]) == 1
    out = capsys.readouterr().out
    assert "again: atoll sim --devices 6" in out


def test_what_makes_no_sense_is_refused(capsys):
    for words in (["--faults", "rain"], ["--hours", "0"], ["--shards", "70000"]):
        assert run(["sim", *words]) == 2
    assert "no fault 'rain'" in capsys.readouterr().err


def test_faults_are_listed(capsys):
    assert run(["sim", "--faults", "list"]) == 0
    assert "gateway" in capsys.readouterr().out
