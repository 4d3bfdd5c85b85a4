"""Every record has a statement in the ledger, and every row comes back into the core."""

import inspect
from typing import get_args

from atoll.gateway import ledger, records
from atoll.gateway.core import GatewayCore, Options

REMOVALS = {kind for kind in get_args(records.Record) if kind.__name__.endswith("Gone")}
ROWS = {kind for kind in get_args(records.Record) if kind.__name__.endswith("Set")}


def test_the_union_is_complete():
    named = {
        k for k in vars(records).values() if inspect.isclass(k) and k.__module__ == records.__name__
    }
    assert named == set(get_args(records.Record)) == REMOVALS | ROWS | {records.PartialsAdded}


def test_the_ledger_writes_each():
    assert set(ledger._UPSERTS) == ROWS
    assert set(ledger._REMOVALS) == REMOVALS


def test_the_core_takes_each_row_back():
    core = GatewayCore(Options("t"))
    assert set(core._appliers()) == ROWS - {records.SettingSet, records.SlotSet} | {
        records.PartialsAdded
    }
