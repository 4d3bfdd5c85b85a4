"""Rot is noticed, in some hundred cases here and in a million by `make powercut`."""

import pytest
from cut_flips import Flips, LedgerFlips

from atoll.gateway import ledger
from atoll.runtime import outbox, store


def problems(disk, count):
    return [problem for problem in (disk.flip() for _ in range(count)) if problem]


def test_a_device(tmp_path):
    disk = Flips(1)
    assert len(disk.blocks) > 10
    assert problems(disk, 500) == []
    assert disk.noticed > 200


def test_a_ledger(tmp_path):
    disk = LedgerFlips(tmp_path, 1)
    assert disk.count > 30
    assert problems(disk, 200) == []
    assert disk.noticed > 60


def unchecked(table, row):
    return 0


FAULTS = {
    "a block's checksum is not compared": (store, "body_is_good", lambda body, crc: True),
    "a message's checksum is not compared": (outbox, "_crc", lambda head, body: 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_harness_finds(name, monkeypatch):
    disk = Flips(2)
    monkeypatch.setattr(*FAULTS[name])
    if "message" in name:  # and written so
        disk = Flips(2)
    assert problems(disk, 2_000)


def test_the_harness_finds_an_unchecked_ledger(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "row_crc", unchecked)
    assert problems(LedgerFlips(tmp_path, 3), 500)
