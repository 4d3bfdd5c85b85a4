"""The leader's feed: what it numbers, keeps, sends again and holds back. Its life with a standby
under faults is in test_standby.py.
"""

import pytest

from atoll.gateway import feed as feed_module
from atoll.gateway import pairing as pair
from atoll.gateway.feed import ALONE, CATCHING, PAIRED, Feed
from atoll.gateway.lead import Register
from atoll.gateway.pairing import Place
from atoll.wire import gateways as wire

VERSION = 3
START = Place(3, 6)


class Leader:
    """A feed that leads under term 7, and all that it has wanted done."""

    def __init__(self, place=START):
        self.register = Register("a")
        self.lead = wire.Lead(9, 7, "a", "", 3)
        self.register.adopt(self.lead)
        self.feed = Feed(self.register, 7, place, VERSION)
        self.now, self.beats = 0.0, 0
        (mark,) = [p.message for p in self.happen(pair.Opened())]
        self.happen(pair.Said(mark))

    def happen(self, event):
        return self.feed.handle(event, self.now)

    def hears(self, place, *, name="b", copy=0, part=0, version=VERSION, turn=0):
        self.beats += 1
        return self.happen(
            pair.Said(wire.Heard(name, self.beats, version, *place, copy, part, turn, False))
        )

    def commits(self, data=b"x"):
        return self.happen(pair.Committed(data))

    def passes(self, seconds):
        """Time passes; the standby says nothing."""
        found, end = [], self.now + seconds
        while self.now < end:
            self.now += 0.25
            found += self.happen(pair.Woken())
        return found


def said(effects, kind):
    return [e.message for e in effects if isinstance(e, pair.Publish) and type(e.message) is kind]


def of(effects, kind):
    return [e for e in effects if type(e) is kind]


def paired():
    """In step, at batch 4 of term 7."""
    leader = Leader()
    leader.hears((3, 6))
    leader.commits(b"stamp")
    (lead,) = said(leader.hears((4, 7)), wire.Lead)
    leader.happen(pair.Said(lead))
    assert leader.feed.mode == PAIRED
    return leader


def test_a_ledger_without_a_place_gets_one_with_its_first_standby():
    leader = Leader(place=None)
    assert leader.feed.stamp() == []
    assert leader.commits() == []
    effects = leader.hears((0, 0))
    assert of(effects, pair.Stamp)
    assert {row.name: row.value for row in leader.feed.stamp()} == {
        "place": 1, "place_term": 7, "turn": 9, "led": pair.alone_mark("a"),
        "alone": pair.alone_mark("a"),
    }  # fmt: skip
    assert leader.hears((0, 0)) == [], "not at our place, which is nowhere yet"
    effects = leader.commits()
    assert leader.feed.place == Place(1, 7)
    assert [e.copy for e in of(effects, pair.ReadCopy)] == [1]
    assert leader.feed.mode == CATCHING
    assert not leader.feed.holding


def alone(leader):
    return {row.name: row.value for row in leader.feed.stamp()}["alone"]


def test_a_standby_at_our_place_is_in_step_once_both_ledgers_say_so():
    leader = Leader()
    assert alone(leader) == pair.alone_mark("a")
    effects = leader.hears((3, 6))
    assert of(effects, pair.Stamp)
    assert said(effects, wire.Lead) == []
    assert alone(leader) == 0
    leader.commits()
    assert said(leader.hears((3, 6)), wire.Lead) == []
    assert not leader.feed.holding
    (lead,) = said(leader.hears((4, 7)), wire.Lead)
    assert (lead.turn, lead.standby, lead.number) == (10, "b", 4)
    assert leader.feed.holding, "from the moment it is asked for"


def test_a_leader_that_goes_on_alone_has_it_in_its_ledger():
    leader = paired()
    assert alone(leader) == 0
    (lead, *_) = said(leader.passes(pair.SILENCE_S + 0.5), wire.Lead)
    assert alone(leader) == 0, "not before the turn has come back"
    assert of(leader.happen(pair.Said(lead)), pair.Stamp)
    assert alone(leader) == pair.alone_mark("a")


def test_a_standby_that_waits_for_a_copy_which_nobody_gives_is_given_a_new_one():
    leader = paired()
    assert of(leader.hears((4, 7), copy=1, part=1), pair.ReadCopy)


def test_batches_are_sent_as_they_are_committed_and_released_as_they_are_confirmed():
    leader = paired()
    (batch,) = said(leader.commits(b"one"), wire.Batch)
    assert (batch.number, batch.number_term, batch.before_term, batch.data) == (5, 7, 7, b"one")
    (batch,) = said(leader.commits(b"two"), wire.Batch)
    assert (batch.number, batch.before_term) == (6, 7)
    assert [e.number for e in of(leader.hears((5, 7)), pair.Release)] == [5]
    assert [e.number for e in of(leader.hears((6, 7)), pair.Release)] == [6]


def test_a_large_batch_goes_in_parts():
    leader = paired()
    data = bytes(range(256)) * 600
    parts = said(leader.commits(data), wire.Batch)
    assert [(p.part, p.of) for p in parts] == [(0, 3), (1, 3), (2, 3)]
    assert b"".join(p.data for p in parts) == data
    assert len({p.crc for p in parts}) == 1


def test_what_is_not_confirmed_is_said_again_and_again():
    leader = paired()
    leader.commits(b"one")
    again = said(leader.passes(3.0), wire.Batch)
    assert [b.data for b in again] == [b"one"] * 3


def test_no_more_than_so_much_is_under_way():
    leader = paired()
    sent = [b.number for _ in range(100) for b in said(leader.commits(), wire.Batch)]
    assert sent == list(range(5, 5 + pair.AHEAD_MAX))
    sent = [b.number for b in said(leader.hears((41, 7)), wire.Batch)]
    assert sent == list(range(5 + pair.AHEAD_MAX, 105))


def test_a_silent_standby_is_left_behind_by_a_turn_of_the_register():
    leader = paired()
    leader.commits()
    effects = leader.passes(pair.SILENCE_S + 0.5)
    (lead, *_) = said(effects, wire.Lead)
    assert (lead.turn, lead.standby) == (11, "")
    assert leader.feed.holding, "not before the turn has come back"
    assert not of(effects, pair.Release)
    effects = leader.happen(pair.Said(lead))
    assert of(effects, pair.Release) == [pair.Release(5)]
    assert "is silent" in of(effects, pair.Tell)[0].text
    assert leader.feed.mode == ALONE


def test_a_standby_that_is_heard_and_does_not_get_on_is_left_behind_too():
    leader = paired()
    leader.commits()
    leads = []
    for _ in range(int(pair.SILENCE_S) + 2):
        leads += said(leader.passes(1.0) + leader.hears((4, 7)), wire.Lead)
    assert leads[0].standby == ""


def test_who_was_not_there_itself_blames_nobody():
    leader = paired()
    leader.now += 60.0
    assert said(leader.happen(pair.Woken()), wire.Lead) == []
    assert leader.feed.mode == PAIRED


@pytest.mark.parametrize("place", [(2, 6), (3, 5), (9, 7), (0, 0)])
def test_a_ledger_of_another_history_gets_a_copy(place):
    leader = Leader()
    assert of(leader.hears(place), pair.ReadCopy)
    assert leader.feed.mode == CATCHING


def test_a_standby_that_was_away_for_little_gets_what_it_lacks():
    leader = paired()
    leader.commits(b"one")
    leader.hears((5, 7))
    leader.happen(pair.Said(said(leader.passes(6.0), wire.Lead)[0]))
    leader.commits(b"two")
    leader.commits(b"three")
    effects = leader.hears((5, 7))
    assert not of(effects, pair.ReadCopy)
    assert [b.data for b in said(effects, wire.Batch)] == [b"two", b"three"]


def test_one_that_was_away_for_long_gets_a_copy(monkeypatch):
    monkeypatch.setattr(feed_module, "KEPT_AWAY_BYTES_MAX", 100)
    leader = Leader()
    for _ in range(20):
        leader.commits(b"x" * 30)
    assert of(leader.hears((3, 6)), pair.ReadCopy)


def test_a_copy_goes_in_parts_and_batches_follow_it():
    leader = Leader()
    leader.hears((0, 0))
    parts = said(leader.happen(pair.CopyRead(1, b"p0", False)), wire.Copy)
    effects = leader.happen(pair.CopyRead(1, b"p1", True))
    parts += said(effects, wire.Copy)
    assert [(p.part, p.last, p.data, p.number) for p in parts] == [
        (0, False, b"p0", 3), (1, True, b"p1", 3),
    ]  # fmt: skip
    assert said(leader.commits(b"later"), wire.Batch) == []
    again = said(leader.passes(1.5), wire.Copy)
    assert [p.part for p in again] == [0, 1]
    leader.hears((0, 0), copy=1, part=1)
    again = said(leader.passes(1.5), wire.Copy)
    assert [p.part for p in again] == [1]
    effects = leader.hears((3, 6))
    assert [b.data for b in said(effects, wire.Batch)] == [b"later"]
    leader.commits(b"stamp")
    assert said(leader.hears((5, 7)), wire.Lead)[0].standby == "b"


def test_a_third_gateway_and_another_version_are_ignored_and_named_once():
    leader = paired()
    tells = of(leader.hears((3, 6), name="c") + leader.hears((3, 6), name="c"), pair.Tell)
    assert len(tells) == 1
    assert "b is the standby already" in tells[0].text
    other = Leader()
    tells = of(other.hears((3, 6), version=VERSION + 1), pair.Tell)
    assert "version 4" in tells[0].text
    assert other.feed.mode == ALONE


def test_nobody_takes_over_from_one_that_leads_alone():
    leader = Leader()
    claim = wire.Lead(10, 8, "b", "", 3)
    (answer,) = said(leader.happen(pair.Said(claim)), wire.Lead)
    assert (answer.turn, answer.leader) == (11, "a")
    assert of(leader.happen(pair.Said(answer)), pair.StepDown) == []


def test_who_finds_another_turn_after_it_was_away_steps_down():
    leader = paired()
    leader.happen(pair.Closed())
    leader.happen(pair.Opened())
    claim = wire.Lead(11, 8, "b", "", 3)
    assert of(leader.happen(pair.Said(claim, retained=True)), pair.StepDown) == [
        pair.StepDown(claim)
    ]


def test_a_message_that_comes_late_changes_nothing():
    leader = paired()
    leader.commits()
    leader.hears((5, 7))
    leader.beats -= 2
    effects = leader.hears((4, 7))
    assert effects == []


def test_one_that_hears_nothing_does_not_say_its_claim_again_and_again():
    """It would overwrite what the broker retains of a claim that was first."""
    leader = paired()
    leader.commits()
    claims = said(leader.passes(pair.SILENCE_S + 4.0), wire.Lead)
    assert len(claims) <= 2
    leader.happen(pair.Said(wire.Heard("c", 1, VERSION, 0, 0, 0, 0, 0, False)))
    assert said(leader.passes(1.0), wire.Lead) == claims[:1]
