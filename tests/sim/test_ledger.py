"""The ledger in memory against the real one: the same commits, the same rows."""

from atoll.gateway import records as r
from atoll.gateway.ledger import Ledger
from atoll.sim.ledger import KEYS, REMOVALS, MemoryLedger
from atoll.sim.site import Setup, Site


def loaded(ledger):
    *rows, partials = ledger.load()
    return {(type(row), *row) for row in rows}, sorted(partials.rows)


def test_every_record_is_known():
    known = set(KEYS) | set(REMOVALS) | {r.PartialsAdded}
    assert known == set(r.Record.__args__)


def test_both_ledgers_hold_the_same_after_a_site_was_tried(tmp_path):
    """The commits of whole seeds, with gateways killed, devices wiped and jobs forgotten."""
    for seed in (3, 4):  # one with the gateway killed
        site, real = Site(seed, Setup(hours=0.01)), Ledger(tmp_path / str(seed))
        commit = site.gateway.ledger.commit

        def both(records, commit=commit, real=real):
            commit(records)
            real.commit(records)

        site.gateway.ledger.commit = both
        site.run()
        assert real.commits > 20
        assert loaded(site.gateway.ledger) == loaded(real)
        real.close()


def test_removals_remove_what_the_real_ledger_removes(tmp_path):
    rows = [
        r.StandingSet("s", "moments", "v", 64, 0, 0), r.MarkSet("s", "k", 3),
        r.WindowSet("s", "k", 3, b"x"), r.WindowSet("t", "k", 3, b"y"),
        r.SlotSet(1, 5, 9, 0), r.SlotSet(2, 6, 9, 0), r.PutSet(b"p", "v", "k", 1, 0),
        r.PieceSet(b"p", "v", "k", 1, 0, 0, 1, 0, 0, 0, 0),
        r.HoldingSet("d", "v", "k", 0, 0, 0, 1, 0, 0, 1),
        r.HoldingSet("e", "w", "k", 0, 0, 0, 1, 0, 0, 1),
        r.QuerySet(1, "q1", "open", "moments", "v", 0, "c", 1, 0, 0, "", 0, "", b""),
        r.PartialsAdded([(1, 0, b"a"), (1, 0, b"b"), (2, 0, b"c")]),
    ]  # fmt: skip
    gone = [
        r.StandingGone("s"), r.SlotsGone(5), r.PutGone(b"p", "v", "k"), r.DeviceGone("d"),
        r.QueryGone(1, "q1"), r.DatasetGone("w"), r.WindowGone("t", "k", 3),
    ]  # fmt: skip
    real = Ledger(tmp_path)
    for removal in gone:
        for ledger in (memory := MemoryLedger(), real):
            ledger.commit(rows)
            ledger.commit([removal])
        assert loaded(memory) == loaded(real)
        real.commit(gone)
    real.close()
