"""What is committed of copies is compared with the disks."""

import pytest

from atoll.gateway import records as r
from atoll.sim.world import Violation


@pytest.fixture
def holding(stored):
    """One of the runs in the ledger."""
    rows = stored.checker.ledger.tables[r.HoldingSet]
    return next(row for row in rows.values() if row.key.startswith("c"))


def longer(row, by=1):
    return row._replace(last_seq=row.last_seq + by)


def test_a_block_that_its_device_never_had(stored, holding):
    with pytest.raises(Violation, match=f"{holding.key}/{holding.last_seq + 1} counts as on"):
        stored.checker.committing([longer(holding)])


def test_only_what_is_new_is_looked_at(stored, holding):
    """The device's list, which comes with its next boot, takes the others off the books."""
    disk = stored.devices[holding.device].disk
    del disk.blocks[holding.dataset, holding.key]
    stored.checker.committing([holding])
    with pytest.raises(Violation):
        stored.checker.committing([longer(holding)])


def test_a_run_that_is_off_the_books_counts_anew(stored, holding):
    del stored.devices[holding.device].disk.blocks[holding.dataset, holding.key]
    stored.checker.committing([r.HoldingGone(*holding[:4])])
    with pytest.raises(Violation):
        stored.checker.committing([holding])


def test_a_device_that_is_gone_begins_anew(stored, holding):
    del stored.devices[holding.device].disk.blocks[holding.dataset, holding.key]
    stored.checker.committing([r.DeviceGone(holding.device)])
    with pytest.raises(Violation):
        stored.checker.committing([holding])


def test_what_was_confirmed_before_a_disk_was_replaced(stored, holding):
    """The gateway cannot know before the next birth, and is to know from it on."""
    device = stored.devices[holding.device]
    device.crash()
    device.wipe()
    stored.checker.committing([longer(holding)])
    row = stored.checker.ledger.tables[r.DeviceSet][device.name,]
    stored.checker.committing([row._replace(boot=row.boot + 1)])
    with pytest.raises(Violation):
        stored.checker.committing([longer(holding, 2)])


def test_what_a_device_was_told_to_delete(stored, holding):
    stream = stored.gateway.core.catalog.datasets[holding.dataset].streams[holding.key]
    stored.checker._deleted.add((holding.device, holding.dataset, stream.shard))
    stored.checker.committing([longer(holding)])


def test_another_ledger_is_followed(stored, holding):
    """One that is behind has blocks to be looked at again."""
    checker = stored.checker
    checker.books.follow(checker.ledger)
    checker.committing([holding])
    del checker.ledger.tables[r.HoldingSet][holding[:4]]
    checker.books.follow(checker.ledger)
    del stored.devices[holding.device].disk.blocks[holding.dataset, holding.key]
    with pytest.raises(Violation):
        checker.committing([holding])
