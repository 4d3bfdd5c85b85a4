import argparse

import pytest

from atoll.cli import options


@pytest.mark.parametrize(
    ("text", "span_s"), [("90s", 90), ("10m", 600), ("1h", 3600), ("7d", 604800), ("250ms", 0.25)]
)
def test_spans(text, span_s):
    assert options.span_s(text) == span_s


@pytest.mark.parametrize("text", ["", "10", "h", "-1h", "1 hour", "1y"])
def test_no_spans(text):
    with pytest.raises(argparse.ArgumentTypeError, match="such as 90s"):
        options.span_s(text)


def test_moments():
    assert options.moment("1700000000.5") == 1700000000.5
    assert options.moment("2023-11-14T22:13:20+00:00") == 1700000000
    with pytest.raises(argparse.ArgumentTypeError, match="such as"):
        options.moment("yesterday")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "x", "1e9"])
def test_no_seconds(text):
    with pytest.raises(argparse.ArgumentTypeError):
        options.seconds(text)


def test_password_from_the_environment(monkeypatch):
    monkeypatch.setenv("ATOLL_PASSWORD", "a/b@c")
    assert options.with_password("mqtt://me@host") == "mqtt://me:a%2Fb%40c@host"
    assert options.with_password("mqtt://me:own@host") == "mqtt://me:own@host"
    assert options.with_password("mqtt://host") == "mqtt://host"


def test_site_from_the_environment(monkeypatch):
    monkeypatch.setenv("ATOLL_BROKER", "mqtt://there:99")
    monkeypatch.setenv("ATOLL_SITE", "mill")
    parser = argparse.ArgumentParser()
    options.add_site(parser)
    found = parser.parse_args([])
    assert (found.broker, found.site) == ("mqtt://there:99", "mill")
    assert parser.parse_args(["--site", "dock"]).site == "dock"
