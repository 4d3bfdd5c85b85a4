"""`atoll explain` on a site: what people see, what scripts get, and words that ask for nothing."""

import json

import numpy as np
import pytest

from atoll.cli.explain import _print_change

pytestmark = pytest.mark.site


@pytest.fixture(scope="module", autouse=True)
def stored(site):
    with site.connect() as fleet:
        fleet.put("cli-explain", np.zeros(30_000, "i2"), key="k", rate=1000, shards=8)


def test_a_drain_before_it_happens(on_site, site):
    shown = on_site("explain", "drain", "device-2").stdout
    assert shown.startswith("drain device-2:")
    assert "copies to make" in shown
    assert "of memory on one device" in shown
    answer = json.loads(on_site("explain", "drain", "device-2", "--json").stdout)
    assert answer["moves"] == sum(to["shards"] for to in answer["targets"].values())
    assert "device-2" not in answer["targets"]
    assert answer["moves"] <= len(answer["list"])


@pytest.mark.parametrize(("left", "words"), [(0, "no copy"), (1, "one copy"), (2, "2 copies")])
def test_what_stays_and_what_is_left_without_it(capsys, left, words):
    answer = {
        "what": "drain a", "shards": 0, "moves": 0, "bytes": 0, "seconds": 0.0, "targets": {},
        "rate_bytes_s": 1.0, "rate_measured": True, "ram_bytes": 0, "lost": [], "short": [],
        "stay": ["v/1", "v/2"], "left": left,
    }  # fmt: skip
    _print_change(answer)
    shown = capsys.readouterr().out
    assert "nobody else can take 2 shards: v/1, v/2" in shown
    assert f"if it goes all the same, the worst off has {words} left" in shown


def test_a_loss_and_when_the_copies_begin(on_site):
    assert "s after the loss" in on_site("explain", "lose", "device-2").stdout
    assert "lose zone device-2" in on_site("explain", "lose", "zone", "device-2").stdout


def test_a_new_device(on_site):
    """One that outweighs all others, whose weight is what this machine bears now."""
    shown = on_site("explain", "add", "--capacity", "500", "--zone", "rack-9").stdout
    assert shown.startswith("add a device of capacity 500 in zone rack-9:")
    assert "(new)" in shown


def test_why_a_shard_is_where_it_is(on_site):
    shown = on_site("explain", "cli-explain/3").stdout
    assert "the walk names it" in shown
    assert "VERDICT" in shown
    answer = json.loads(on_site("explain", "cli-explain/3", "--json").stdout)
    assert len(answer["owners"]) == answer["wanted"] == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add",), 2, "explain add needs --capacity"),
        (("drain", "device-1", "--capacity", "2"), 2, "belong to explain add"),
        (("drain", "nobody"), 1, "no device 'nobody'"),
        (("lose", "zone", "mars"), 1, "no zone 'mars'"),
        (("cli-explain/8",), 1, "0 to 7"),
        (("the", "weather"), 1, "cannot explain 'the weather'"),
        ((), 2, "WHAT"),
    ],
)
def test_what_cannot_be_explained(on_site, words, code, says):
    done = on_site("explain", *words, code=code)
    assert says in done.stderr
