"""Requests that changed something are answered again, and not done again."""

import pytest
from gateway_fleet import Fleet

from atoll.gateway import met, records
from atoll.gateway.desk import Desk
from atoll.gateway.ledger import Ledger
from atoll.gateway.met import MetRequests, Outcome
from atoll.wire import messages as wire

DONE = Outcome(wire.DONE, "{}")


def request(number):
    return wire.Command(number, "stop", "hum")


def noted(desk):
    return [row for effect in desk.take() for row in effect.records]


def test_a_request_is_known_by_its_client_and_all_of_it():
    found = MetRequests(Desk())
    found.note("c", request(1), DONE)
    assert found.outcome("c", request(1)) == DONE
    assert found.outcome("d", request(1)) is None
    assert found.outcome("c", request(2)) is None
    assert found.outcome("c", request(1)._replace(target="other")) is None


def test_the_oldest_makes_room_also_after_a_restart(monkeypatch):
    monkeypatch.setattr(met, "MET_MAX", 3)
    desk = Desk()
    found = MetRequests(desk)
    for number in range(1, 6):
        found.note("c", request(number), DONE)
    rows = noted(desk)
    assert sorted({row.place for row in rows}) == [0, 1, 2]
    kept = {row.place: row for row in rows}  # as the ledger keeps them
    again = MetRequests(desk)
    for row in kept.values():
        again.restore(row)
    for one in (found, again):
        assert [n for n in range(1, 6) if one.outcome("c", request(n))] == [3, 4, 5]
    again.note("c", request(6), DONE)
    assert noted(desk)[0].place == kept[0].place
    assert again.outcome("c", request(3)) is None


@pytest.fixture
def restarted(tmp_path):
    """A fleet with a job that was stopped, under a gateway that has restarted since; the requests,
    and what they were answered.
    """
    ledger = Ledger(tmp_path)
    fleet = Fleet("a", "b", ledger=ledger)
    fleet.put("v", {"k": bytes(200)})
    asked = [
        wire.Start(fleet.number(), "hum", "moments", "v", "100"),
        wire.Command(fleet.number(), "stop", "hum"),
        wire.Command(fleet.number(), "stop", "hum"),
    ]
    answers = [fleet.ask(one) for one in asked]
    again = Fleet("a", "b", ledger=ledger, rows=ledger.load(), now=fleet.now)
    yield again, asked, answers
    ledger.close()


def test_an_echo_after_a_restart_begins_nothing_and_ends_nothing(restarted):
    fleet, asked, answers = restarted
    assert [answer.status for answer in answers] == [wire.DONE, wire.DONE, wire.FAILED]
    assert fleet.ask(asked[0]) == answers[0]
    assert fleet.core.standing.jobs == {}
    fresh = asked[0]._replace(request=fleet.number() + 1_000)
    assert fleet.ask(fresh).status == wire.DONE
    assert [fleet.ask(one) for one in asked] == answers
    assert list(fleet.core.standing.jobs) == ["hum"], "what failed then is not done now, unasked"
    assert fleet.command("status")["counters"]["repeated requests"] == 4


def test_reading_and_unknown_verbs_leave_nothing_in_the_ledger():
    fleet = Fleet("a")
    for verb in ("status", "devices", "dance"):
        fleet.command(verb)
    assert not any(type(row) is records.RequestSet for batch in fleet.batches for row in batch)
