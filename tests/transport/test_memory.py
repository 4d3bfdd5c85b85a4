"""The broker in memory behaves as the real ones do: one set of expectations, held against all."""

import pytest

from atoll.transport.memory import Faults, MemoryBroker
from atoll.transport.port import Session, Will


def joined(broker, name, *patterns, will=None):
    link = broker.link(Session(name, will))
    link.inbox = []
    link.on_message = link.inbox.append
    link.subscribe(*patterns)
    link.start()
    broker.run()
    return link


def topics(link):
    return [message.topic for message in link.inbox]


def test_messages_go_to_whom_they_concern_in_order():
    broker = MemoryBroker()
    one = joined(broker, "one", "a/+", "a/#")
    two = joined(broker, "two", "b")
    for n in range(5):
        two.publish("a/x", b"%d" % n, purpose="p")
    two.publish("b", b"", purpose="p")
    assert one.inbox == []
    broker.run()
    assert [message.payload for message in one.inbox] == [b"0", b"1", b"2", b"3", b"4"]
    assert topics(two) == ["b"]


def test_retained_messages_meet_later_subscribers_until_they_are_cleared():
    broker = MemoryBroker()
    one = joined(broker, "one")
    one.publish("a", b"kept", purpose="p", retain=True)
    broker.run()
    late = joined(broker, "late", "#")
    assert late.inbox[0].retained
    one.publish("a", b"", purpose="p", retain=True)
    broker.run()
    assert not late.inbox[1].retained
    assert joined(broker, "later", "#").inbox == []


def test_wills_are_for_the_dead():
    broker = MemoryBroker()
    watcher = joined(broker, "watcher", "will/#")
    leaver = joined(broker, "leaver", will=Will("will/leaver", b""))
    joined(broker, "victim", will=Will("will/victim", b"gone"))
    leaver.close()
    broker.cut("victim")
    broker.run()
    assert topics(watcher) == ["will/victim"]
    assert broker.retained == {"will/victim": b"gone"}


def test_a_second_session_of_a_client_ends_the_first():
    broker = MemoryBroker()
    first = joined(broker, "x", "t")
    downs = []
    first.on_down = downs.append
    second = joined(broker, "x", "t")
    second.publish("t", b"", purpose="p")
    broker.run()
    assert not first.up
    assert downs == ["taken over by another session"]
    assert topics(second) == ["t"]
    assert first.inbox == []


def test_a_restart_forgets_what_is_retained_and_brings_sessions_back():
    broker = MemoryBroker()
    one = joined(broker, "one", "t/#")
    one.publish("t/a", b"", purpose="p", retain=True)
    broker.run()
    downs = []
    one.on_down = downs.append
    broker.restart()
    assert downs == ["the broker is gone"]
    assert one.publish("t/b", b"", purpose="p")
    assert not one.publish("t/c", b"", purpose="p", qos=0)
    broker.run()
    assert one.up
    assert topics(one) == ["t/a", "t/b"]
    assert broker.retained == {}


def test_what_is_under_way_to_a_session_dies_with_it():
    broker = MemoryBroker(delay_s=1.0)
    one = joined(broker, "one", "t")
    one.publish("t", b"", purpose="p")
    broker.run(until=broker.now + 0.5)
    broker.cut("one")
    one.start()
    broker.run()
    assert one.inbox == []


def faulty(seed, qos, **faults):
    broker = MemoryBroker(seed=seed, faults=Faults(**faults))
    one = joined(broker, "one", "t")
    for n in range(200):
        one.publish("t", b"%d" % n, purpose="p", qos=qos)
    broker.run()
    return [int(message.payload) for message in one.inbox]


def test_the_same_seed_gives_the_same_faults():
    faults = {"loss": 0.1, "duplication": 0.1, "reordering": 0.5}
    assert faulty(1, 1, **faults) == faulty(1, 1, **faults)
    assert faulty(1, 1, **faults) != faulty(2, 1, **faults)


def test_qos_1_is_at_least_once_and_qos_0_at_most_once():
    assert set(faulty(3, 1, loss=0.3, duplication=0.3, reordering=0.3)) == set(range(200))
    assert len(faulty(3, 1, duplication=0.3)) > 220
    lossy = faulty(3, 0, loss=0.3, duplication=0.3)
    assert len(set(lossy)) == len(lossy) < 170


def test_reordering_lets_messages_overtake():
    seen = faulty(4, 1, reordering=0.5)
    assert seen != sorted(seen)
    assert sorted(seen) == [*range(200)]


def test_room_is_back_pressure_and_is_announced():
    broker = MemoryBroker()
    one = joined(broker, "one", "t")
    writable = []
    one.on_writable = lambda: writable.append(True)
    one.room = 2
    assert [one.publish("t", b"", purpose="p") for _ in range(3)] == [True, True, False]
    assert one.publish("t", b"", purpose="p", qos=0)
    one.make_room()
    assert writable == [True]
    assert one.publish("t", b"", purpose="p")


def test_timers_share_the_virtual_clock():
    broker = MemoryBroker()
    seen = []
    broker.call_at(5.0, lambda: seen.append(broker.now))
    assert broker.next_time() == 5.0
    broker.run(until=4.0)
    assert (seen, broker.now) == ([], 4.0)
    broker.run()
    assert seen == [5.0]
    assert broker.step() is False
    assert broker.next_time() is None


@pytest.mark.parametrize("where", ["memory", "real"])
def test_memory_and_real_brokers_agree(where, request):
    """The same script on both: retained, wildcard, will, order, empty payload."""
    script = [
        ("a/keep", b"1", True),
        ("a/b/c", b"2", False),
        ("other", b"3", False),
        ("a/keep", b"4", True),
        ("a/empty", b"", False),
    ]
    wanted = [("a/keep", b"1"), ("a/b/c", b"2"), ("a/keep", b"4"), ("a/empty", b"")]
    late = [("a/keep", b"4", True)]
    if where == "memory":
        broker = MemoryBroker()
        one = joined(broker, "one", "a/#")
        for topic, payload, retain in script:
            one.publish(topic, payload, purpose="p", retain=retain)
        broker.run()
        assert [(message.topic, message.payload) for message in one.inbox] == wanted
        assert [tuple(message) for message in joined(broker, "late", "a/#").inbox] == late
        return
    url = request.getfixturevalue("mosquitto").url
    wire = request.getfixturevalue("wire")
    one = wire(url, "one").connect("a/#")
    for topic, payload, retain in script:
        one.link.publish(topic, payload, purpose="p", retain=retain)
    one.until(lambda: len(one.messages) == 4)
    assert [(message.topic, message.payload) for message in one.messages] == wanted
    second = wire(url, "late").connect("a/#")
    second.until(lambda: second.messages)
    assert [tuple(message) for message in second.messages] == late
