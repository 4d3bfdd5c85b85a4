from atoll.gateway.client_calls import Calls
from atoll.gateway.client_errors import Closed
from atoll.wire.codec import decode, encode, split
from atoll.wire.messages import DONE, PROGRESS, Command, Reply


def command(number):
    return Command(number, "status", "")


def reply(number, status=DONE, body="{}"):
    return encode(Reply(number, status, body, b""))


def test_an_answer_finds_its_call_and_ends_it():
    calls = Calls()
    first, second = calls.make(command), calls.make(command)
    assert decode(first.payload).request == first.number != second.number
    assert calls.received(reply(second.number)) is second
    assert second.finished
    assert not first.finished
    assert calls.received(reply(second.number)) is None


def test_progress_leaves_it_open():
    calls = Calls()
    call = calls.make(command)
    calls.received(reply(call.number, PROGRESS))
    assert not call.finished
    assert calls.again() == [call.payload]


def test_a_large_answer_comes_in_parts():
    calls = Calls()
    call = calls.make(command)
    whole = reply(call.number, body='"' + "x" * 200_000 + '"')
    parts = split(whole, bytes(16), 65_536)
    assert len(parts) > 2
    assert [calls.received(part) for part in reversed(parts)][-1] is call
    assert len(call.answers[0].reply.body) == 200_002


def test_open_calls_are_said_again_in_their_order():
    calls = Calls(first=2**32 - 2)
    made = [calls.make(command) for _ in range(4)]
    assert len({call.number for call in made}) == 4
    assert all(0 < call.number < 2**32 for call in made)
    calls.drop(made[1])
    assert calls.again() == [made[0].payload, made[2].payload, made[3].payload]


def test_damage_is_counted_and_nothing_else_happens():
    calls = Calls()
    call = calls.make(command)
    for damage in (b"", b"\xff", b"{}", encode(command(call.number)), reply(call.number)[:-1]):
        assert calls.received(damage) is None
    assert sum(calls.refused.values()) == 5
    assert not call.answers


def test_failing_ends_every_wait():
    calls = Calls()
    call = calls.make(command)
    calls.fail(Closed("over"))
    assert call.finished
    assert isinstance(call.answers[0].error, Closed)
    assert calls.again() == []
