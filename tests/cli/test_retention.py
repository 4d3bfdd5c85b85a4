"""`atoll retention`: spans and sizes as people write them."""

import argparse

import pytest

from atoll.cli import retention
from atoll.cli.options import size_bytes


class FakeFleet:
    """Answers as the gateway does."""

    asked: dict

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def retention(self, dataset, **limits):
        FakeFleet.asked = {"dataset": dataset, **limits}
        return {"dataset": dataset, "keep_s": 604_800, "keep_bytes": 0}


def parsed(*words):
    parser = argparse.ArgumentParser()
    parser.set_defaults(verb="retention")
    retention.add_arguments(parser)
    return parser.parse_args(words)


def test_what_is_given_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(retention, "open_fleet", lambda options: FakeFleet())
    assert retention.run(parsed("v", "--keep", "7d", "--keep-bytes", "10G")) == 0
    assert FakeFleet.asked == {"dataset": "v", "keep_s": 604_800.0, "keep_bytes": 10**10}
    assert "v: 604,800 s, however much" in capsys.readouterr().out
    retention.run(parsed("v", "--keep", "all"))
    assert FakeFleet.asked == {"dataset": "v", "keep_s": 0.0, "keep_bytes": None}
    retention.run(parsed("v", "--json"))
    assert FakeFleet.asked == {"dataset": "v", "keep_s": None, "keep_bytes": None}


@pytest.mark.parametrize("words", [("--keep", "7"), ("--keep", "1ms"), ("--keep-bytes", "big")])
def test_what_cannot_be(words, capsys):
    with pytest.raises(SystemExit):
        parsed("v", *words)
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "count"), [("0", 0), ("500M", 5 * 10**8), ("1.5K", 1_500), ("2TB", 2 * 10**12)]
)
def test_sizes(text, count):
    assert size_bytes(text) == count
