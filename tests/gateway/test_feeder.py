"""What waits for the standby waits in order; leases that only go on may pass."""

from types import SimpleNamespace

import pytest

from atoll.gateway import effects as do
from atoll.gateway import pairing as pair
from atoll.gateway import records as r
from atoll.gateway.feed import PAIRED, Feed
from atoll.gateway.feeder import Feeder, _pieces, quality_of, topic_of
from atoll.gateway.lead import Register
from atoll.gateway.ledger import Ledger
from atoll.gateway.pairing import Place
from atoll.gateway.rows import unpack
from atoll.transport.port import Incoming
from atoll.wire import gateways as wire
from atoll.wire.codec import encode
from atoll.wire.limits import LEDGER_PART_BYTES_MAX
from atoll.wire.topics import Topics

TOPICS = Topics("t")


class Loop(SimpleNamespace):
    """Time that stands still."""

    def now(self):
        return 1.0

    def call_at(self, *_):
        return SimpleNamespace(cancel=lambda: None)

    def post(self, *_):
        pass


@pytest.fixture
def feeder():
    register = Register("a")
    register.adopt(wire.Lead(1, 7, "a", "", 0))
    made = Feeder(Loop(), None, Feed(register, 7, Place(4, 7), 1), TOPICS)
    made.done = []
    made.carry_out = made.done.extend
    return made


def lease(device):
    return do.Tell(device, "lease", "a lease")


def task(device):
    return do.Tell(device, "task", "a task")


def test_alone_nothing_waits(feeder):
    feeder.hold([task("x"), lease("x")])
    assert feeder.done == [task("x"), lease("x")]


def test_in_step_everything_waits_for_its_batch_and_in_order(feeder):
    feeder.feed.mode = PAIRED
    feeder.hold([task("x")])
    feeder.feed.place = Place(5, 7)
    feeder.hold([task("y"), do.Answer("c", 1)])
    assert feeder.done == []
    feeder._release(4)
    assert feeder.done == [task("x")]
    feeder.hold([task("z")])  # stands on nothing new, but comes after what does
    feeder._release(5)
    assert feeder.done == [task("x"), task("y"), do.Answer("c", 1), task("z")]
    feeder.hold([task("x")])
    assert feeder.done[-1] == task("x"), "all that it stands on is there"


def test_a_lease_passes_by_unless_its_device_is_still_to_be_told_something(feeder):
    feeder.feed.mode = PAIRED
    feeder.hold([lease("x"), task("y"), lease("y")])
    assert feeder.done == [lease("x")]
    feeder.hold([lease("y"), lease("x")])
    assert feeder.done == [lease("x"), lease("x")]
    feeder._release(4)
    assert feeder.done[2:] == [task("y"), lease("y"), lease("y")]
    feeder.feed.place = Place(5, 7)
    feeder.hold([lease("y")])
    assert feeder.done[-1] == lease("y")


def test_who_is_replaced_says_nothing_of_what_waited(feeder):
    replaced = []
    feeder.step_down = replaced.append
    feeder.feed.mode = PAIRED
    feeder.hold([task("x")])
    claim = wire.Lead(2, 8, "b", "", 4)
    assert feeder.takes(Incoming(TOPICS.lead, encode(claim), False))
    assert replaced == [claim]
    feeder.opened()
    feeder._release(9)
    assert feeder.done == []


FAR = wire.Heard("b", 1, 1, 0, 0, 0, 0, 2**64 - 1, False)


@pytest.mark.parametrize("payload", [b"", b"\xff", encode(wire.Beat(1, "b", 1, 0, 0)), encode(FAR)])
def test_what_has_no_business_on_the_topic_is_counted(feeder, payload):
    assert feeder.takes(Incoming(TOPICS.standby, payload, False))
    assert feeder.refused == 1
    assert not feeder.takes(Incoming(TOPICS.event, b"{}", False))


def test_a_turn_behind_which_no_other_fits_replaces_nobody(feeder):
    feeder.step_down = lambda lead: pytest.fail("it gave way")
    last = wire.Lead(2**64 - 1, 8, "b", "", 4)
    assert feeder.takes(Incoming(TOPICS.lead, encode(last), True))
    assert feeder.refused == 1


def test_each_kind_has_its_topic():
    heard, beat = wire.Heard("b", 1, 1, 0, 0, 0, 0, 0, False), wire.Beat(1, "a", 1, 0, 0)
    assert topic_of(TOPICS, heard) == TOPICS.standby
    assert topic_of(TOPICS, beat) == TOPICS.ledger
    assert topic_of(TOPICS, wire.Lead(1, 1, "a", "", 0)) == TOPICS.lead
    assert [quality_of(heard), quality_of(wire.Lead(1, 1, "a", "", 0))] == [0, 0]
    assert quality_of(wire.Batch(1, "a", 1, 1, 0, 0, 1, 0, b"")) == 1


def test_a_copy_is_the_ledger_as_it_stood_at_its_first_piece(tmp_path):
    ledger = Ledger(tmp_path)
    rows = [r.WindowSet("j", f"k{n}", n, bytes(10_000)) for n in range(30)]
    ledger.commit(rows)
    pieces = _pieces(ledger)
    first = next(pieces)
    ledger.commit([r.WindowSet("j", "later", 1, b""), r.WindowGone("j", "k7", 7)])
    found = [first, *pieces]
    assert {len(piece) for piece in found[:-1]} == {LEDGER_PART_BYTES_MAX}
    assert len(found[-1]) < LEDGER_PART_BYTES_MAX
    kept = [row for row in unpack(b"".join(found)) if type(row) is r.WindowSet]
    assert sorted(kept) == sorted(rows)
    ledger.close()


def test_a_copy_replaces_a_ledger_whole_or_not_at_all(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.commit([r.MarkSet("j", "old", 1), r.PartialsAdded([(1, 1, b"x")])])
    before = ledger.load()
    ledger.begin_replacing()
    ledger.add([r.MarkSet("j", "new", 2)])
    ledger.end_replacing(keep=False)
    assert ledger.load() == before
    ledger.begin_replacing()
    ledger.add([r.MarkSet("j", "new", 2)])
    ledger.end_replacing(keep=True)
    assert [row for row in ledger.load() if type(row) is r.MarkSet] == [r.MarkSet("j", "new", 2)]
    ledger.close()
    reopened = Ledger(tmp_path)
    assert reopened.verify() == 1
    reopened.close()


def test_a_stamp_and_effects_go_through_the_words_of_a_pair(feeder):
    feeder.feed.place = None
    assert feeder.stamp() == []
    feeder.committed([])
    assert isinstance(pair.Stamp(), tuple)
