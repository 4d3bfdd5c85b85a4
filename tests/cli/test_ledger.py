"""`atoll ledger`: what is printed and how it ends. The rebuild is in tests/site."""

import json

import pytest

from atoll.gateway import records as r
from atoll.gateway.ledger import Ledger


@pytest.fixture
def state(tmp_path):
    ledger = Ledger(tmp_path / "state")
    ledger.commit([r.SettingSet("term", 7), r.SettingSet("seed", 1)])
    ledger.close()
    return tmp_path / "state"


def test_a_whole_ledger_is_one_line_and_0(atoll, state):
    assert "whole: 2 rows in 1 tables" in atoll("ledger", "check", "--state", state).stdout
    shown = json.loads(atoll("ledger", "check", "--state", state, "--json").stdout)
    assert (shown["whole"], shown["findings"], shown["rows"]["setting"]) == (True, [], 2)


def test_each_finding_is_a_line_and_1(atoll, state):
    ledger = Ledger(state)
    ledger.commit([r.MarkSet("nix", "k", 1), r.MarkSet("nix", "l", 1)])
    ledger.close()
    done = atoll("ledger", "check", "--state", state, code=1)
    assert done.stdout.count("no such standing job") == 2
    assert len(done.stdout.splitlines()) == 2
    shown = json.loads(atoll("ledger", "check", "--state", state, "--json", code=1).stdout)
    assert [f["table"] for f in shown["findings"]] == ["mark", "mark"]


def test_no_ledger_is_1(atoll, tmp_path):
    assert "no ledger here" in atoll("ledger", "check", "--state", tmp_path, code=1).stdout


def test_a_rebuild_leaves_a_whole_ledger_alone(atoll, state):
    done = atoll("ledger", "rebuild", "--state", state, code=1)
    assert "--force" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("mend",), ("check", "--nix"), ("rebuild", "--wait", "no")])
def test_words_that_cannot_be(atoll, words):
    atoll("ledger", *words, code=2)


def test_help_has_examples(atoll):
    for words in (("ledger",), ("ledger", "check"), ("ledger", "rebuild")):
        assert "example:" in atoll(*words, "--help").stdout
