"""Addresses that are, and those that are not."""

import pytest

from atoll.transport.errors import AddressError
from atoll.transport.url import Broker, parse_broker, parse_brokers


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtt://127.0.0.1:1883", Broker("127.0.0.1", 1883)),
        ("mqtt://gateway.local", Broker("gateway.local", 1883)),
        ("mqtt://h/", Broker("h", 1883)),
        ("h", Broker("h", 1883)),
        ("h:99", Broker("h", 99)),
        ("mqtts://h", Broker("h", 8883, tls=True)),
        ("mqtt://user:pass@h:1", Broker("h", 1, "user", "pass")),
        ("mqtt://user@h", Broker("h", 1883, "user")),
        ("mqtt://user:p%40%2F%3A%25@h", Broker("h", 1883, "user", "p@/:%")),
        ("mqtt://u:a:b@h", Broker("h", 1883, "u", "a:b")),
        ("mqtt://[::1]:1884", Broker("::1", 1884)),
        ("mqtt://[fe80::1]", Broker("fe80::1", 1883)),
        ("mqtt://h:65535", Broker("h", 65_535)),
    ],
)
def test_reads(text, broker):
    assert parse_broker(text) == broker


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mqtt://",
        "http://h",
        "tcp://h:1883",
        "mqtt://h:0",
        "mqtt://h:65536",
        "mqtt://h:-1",
        "mqtt://h:x",
        "mqtt://h:٣",
        "mqtt://h:1:2",
        "mqtt://h/path",
        "mqtt://h?x",
        "mqtt://h#x",
        "mqtt://a b",
        "mqtt://h\n",
        "mqtt://[::1",
        "mqtt://[::1]x",
        "mqtt://user:%zz@h",
        "mqtt://user:%ff@h",
    ],
)
def test_refuses(text):
    with pytest.raises(AddressError, match="broker"):
        parse_broker(text)


def test_a_password_is_never_shown():
    for text in ("tcp://user:geheim@h", "mqtt://user:geheim@h:x", "mqtt://user:geheim@"):
        with pytest.raises(AddressError) as caught:
            parse_broker(text)
        assert "geheim" not in str(caught.value)
    assert parse_broker("mqtt://user:geheim@h").url == "mqtt://user@h:1883"
    assert parse_broker("mqtts://[::1]").url == "mqtts://[::1]:8883"


def test_a_list():
    assert parse_brokers("a, mqtt://b:2") == [Broker("a", 1883), Broker("b", 2)]
