import json

import pytest

from atoll.cli.tap import describe, one_line
from atoll.wire.codec import encode
from atoll.wire.messages import Ack, NumberSpan, Reply


@pytest.mark.site
def test_the_site_in_lines(on_site):
    shown = on_site("tap", "--for", "3").stdout
    assert "gateway/status (retained) json state=ready" in shown
    assert "up/birth (retained) Birth" in shown
    assert "up/lease LeaseRequest" in shown
    assert "down/lease Lease " in shown


@pytest.mark.site
def test_filter_and_json(on_site):
    shown = on_site("tap", "up/lease", "--count", "3", "--json").stdout.splitlines()
    found = [json.loads(text) for text in shown]
    assert len(found) == 3
    assert {row["type"] for row in found} == {"LeaseRequest"}
    assert all(row["message"]["health"]["memory_free_bytes"] > 0 for row in found)


def test_what_a_payload_is():
    assert describe(b"") == ("cleared", None)
    assert describe(b'{"a": 1}') == ("json", {"a": 1})
    kind, body = describe(encode(Ack(1, 2, 3, [NumberSpan(4, 5)])))
    assert (kind, body["numbers"]) == ("Ack", [{"first": 4, "last": 5}])
    kind, body = describe(encode(Reply(1, 0, "{}", bytes(100))))
    assert body["blob"] == "100 bytes 0000000000000000…"
    assert describe(b"\xff\x00")[0] == "damaged"
    assert describe(b"{ no json")[0] == "damaged"


def test_long_lists_are_cut():
    value = {"n": list(range(10)), "d": {"x": 0.1234567, "y": [{"z": True}]}}
    assert one_line(value) == "n=[0, 1, 2, … 10 in all] d=(x=0.123457 y=[(z=yes)])"
