from struct import unpack

import pytest

from atoll.runtime.errors import UsageError
from atoll.runtime.source_mqtt import PAYLOAD_MAX, MqttSource, number_in


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b"21.5", 21.5),
        (b" -3 \n", -3.0),
        (b"1e3", 1_000.0),
        (b'{"value": 7}', 7.0),
        (b'{"unit": "C", "value": 2.5}', 2.5),
        (b'{"value": true}', None),
        (b'{"value": "7"}', None),
        (b'{"temperature": 7}', None),
        (b"[1]", None),
        (b"nan", None),
        (b"inf", None),
        (b'{"value": NaN}', None),
        (b'{"value": 1' + b"0" * 400 + b"}", None),
        (b"", None),
        (b"\xff\xfe", None),
        (b"{" * 2_000, None),
        (b" " * PAYLOAD_MAX + b"1", None),
    ],
)
def test_numbers_in_payloads(payload, wanted):
    assert number_in(payload) == wanted


def test_a_message_is_a_sample():
    source = MqttSource("house", "home/kitchen/temperature", "pi")
    assert source.streams[0].key == "pi/temperature"
    sampled = source.take(b"21.5")
    assert sampled.dataset == "house"
    assert sampled.sample_count == 1
    [(key, data)] = sampled.samples
    assert (key, unpack("<f", data)) == ("pi/temperature", (21.5,))
    assert source.take(b"on") is None
    assert source.take(b"1e39") is None
    assert source.refused == 2


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "x" * 2_000, "a\0b"])
def test_what_is_no_topic(topic):
    with pytest.raises(UsageError, match="topic"):
        MqttSource("house", topic, "pi")
