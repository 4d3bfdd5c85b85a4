"""Topics made and read; names that could break out of them; subscriptions that match."""

import pytest

from atoll.wire.errors import DecodeError, EncodeError, WireError
from atoll.wire.topics import DOWN, UP, Address, Topics, check_name, is_name, matches

T = Topics("demo")


def test_topics_of_the_design():
    assert T.up("d1", "status") == "atoll/v1/demo/device/d1/up/status"
    assert T.down("d1", "map") == "atoll/v1/demo/device/d1/down/map"
    assert T.request("c") == "atoll/v1/demo/client/c/request"
    assert T.reply("c") == "atoll/v1/demo/client/c/reply"
    assert T.result("j") == "atoll/v1/demo/job/j/result"
    assert T.event == "atoll/v1/demo/event"
    assert T.gateway_status == "atoll/v1/demo/gateway/status"


def test_what_is_made_is_read():
    for leaf in UP:
        assert T.parse(T.up("d.1_x-y", leaf)) == Address("up", "d.1_x-y", leaf)
    for leaf in DOWN:
        assert T.parse(T.down("D", leaf)) == Address("down", "D", leaf)
    assert T.parse(T.request("c")) == Address("client", "c", "request")
    assert T.parse(T.reply("c")) == Address("client", "c", "reply")
    assert T.parse(T.result("j")) == Address("job", "j", "result")
    assert T.parse(T.event) == Address("event", "", "event")
    assert T.parse(T.gateway_status) == Address("gateway", "", "status")
    assert T.parse(T.lead) == Address("gateway", "", "lead")
    assert T.parse(T.ledger) == Address("gateway", "", "ledger")
    assert T.parse(T.standby) == Address("gateway", "", "standby")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "atoll/v1/demo",
        "atoll/v1/demo/",
        "atoll/v1/other/event",
        "atoll/v2/demo/event",
        "atoll/v1/demo/device/d/up",
        "atoll/v1/demo/device/d/up/map",
        "atoll/v1/demo/device/d/down/status",
        "atoll/v1/demo/device//up/status",
        "atoll/v1/demo/device/+/up/status",
        "atoll/v1/demo/device/d/up/status/more",
        "atoll/v1/demo/device/d/e/up/status",
        "atoll/v1/demo/event/x",
        "x" * 70_000,
    ],
)
def test_other_topics_are_refused(topic):
    with pytest.raises(DecodeError) as caught:
        T.parse(topic)
    assert caught.value.reason == "topic"
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "name",
    ["", "+", "#", "a/b", "a+", "a#", "$SYS", ".a", "-a", "_a", "a b", "a\n", "a\0", "ü", "a" * 65],
)
def test_names_that_could_leave_their_topic_are_refused(name):
    assert not is_name(name)
    with pytest.raises(EncodeError, match="device"):
        check_name(name, "device")
    for make in (T.request, T.reply, T.result, lambda n: T.up(n, "status")):
        with pytest.raises(WireError):
            make(name)


def test_a_site_is_lower_case():
    with pytest.raises(EncodeError, match="lower case"):
        Topics("Demo")
    assert check_name("A" * 64, "x") == "A" * 64


@pytest.mark.parametrize(
    ("pattern", "topic", "wanted"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("a/#", "ab", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("+", "a", True),
        ("a//b", "a//b", True),
        ("a/+/b", "a//b", True),
    ],
)
def test_subscriptions_match_as_in_mqtt(pattern, topic, wanted):
    assert matches(pattern, topic) is wanted
