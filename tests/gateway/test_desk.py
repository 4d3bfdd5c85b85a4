"""The desk: records before everything, counters bounded."""

import json

from atoll.gateway import desk
from atoll.gateway.effects import Commit, ShowEvent, Tell
from atoll.gateway.records import SettingSet
from atoll.wire.messages import FAILED


def test_records_come_first_whatever_the_order_they_were_given_in():
    found = desk.Desk()
    found.say("x", "said before")
    found.tell("a", "task", "message")
    found.record(SettingSet("epoch", 1))
    commit, said, told = found.take()
    assert commit == Commit([SettingSet("epoch", 1)])
    assert isinstance(said, ShowEvent)
    assert told == Tell("a", "task", "message", False)
    assert found.take() == []


def test_without_records_there_is_no_commit():
    found = desk.Desk()
    found.say("x", "y")
    assert not any(isinstance(effect, Commit) for effect in found.take())


def test_reasons_are_bounded():
    found = desk.Desk()
    for number in range(desk.REASONS_MAX + 50):
        found.refuse(f"reason {number}")
    assert len(found.refused) == desk.REASONS_MAX + 1
    assert found.refused["other"] == 50


def test_transfers_of_two_terms_never_share_a_number():
    one, two = desk.Desk(), desk.Desk()
    one.term, two.term = 1, 2
    assert {one.next_transfer() for _ in range(100)}.isdisjoint(
        {two.next_transfer() for _ in range(100)}
    )


def test_a_failure_is_json_with_an_error():
    found = desk.Desk()
    found.fail("c", 7, 'say "what"\nis wrong')
    (answer,) = found.take()
    assert (answer.client, answer.message.request, answer.message.status) == ("c", 7, FAILED)
    assert json.loads(answer.message.body) == {"error": 'say "what"\nis wrong'}
