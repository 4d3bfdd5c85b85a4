import json

import pytest

from atoll.cli.status import lines


@pytest.mark.site
def test_status(on_site, site):
    found = json.loads(on_site("status", "--json").stdout)
    assert found["site"] == site.site
    assert found["devices"]["ready"] == 3
    shown = on_site("status").stdout
    assert "3 ready" in shown
    assert "0 lost" in shown


def test_a_takeover_is_told():
    takeover = {"device": "a", "takeover_s": 0.25, "restored_s": None, "shards": 3, "bytes": 2e6}
    told = dict(lines({"takeovers": [takeover]}))["takeover"]
    assert told == "a: tasks out again after 0.25 s, 3 shards (2.0 MB) whole again after -"


def test_an_overload_is_told_and_nothing_else():
    assert [name for name, _ in lines({"overloaded": True})][:2] == ["site", "overloaded"]
    assert "overloaded" not in dict(lines({"overloaded": False}))
