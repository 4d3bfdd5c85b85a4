"""A ledger that is copied, and replaced by a copy."""

from atoll.gateway.pairing import Place
from atoll.sim.pair_ledger import PairLedger


def test_a_copy_is_the_ledger_it_is_a_copy_of(pair):
    a, b = pair.gateway.hosts
    assert a.ledger.place == b.ledger.place != Place(0, 0)
    rows = list(a.ledger.read_all())
    assert rows == list(b.ledger.read_all())
    new = PairLedger()
    new.begin_replacing()
    new.add(rows)
    new.power_lost()
    assert list(new.read_all()) == []
    new.begin_replacing()
    new.add(rows)
    new.end_replacing(keep=True)
    assert list(new.read_all()) == rows
