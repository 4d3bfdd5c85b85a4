"""Options: command line over file over environment over defaults; errors that say what is right."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from atoll.gateway.config import KEYS, default_state, load
from atoll.gateway.errors import ConfigError


def options(**given):
    return SimpleNamespace(**{"config": None, **dict.fromkeys(KEYS), **given})


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    monkeypatch.delenv("ATOLL_BROKER", raising=False)
    monkeypatch.delenv("ATOLL_SITE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def file_with(tmp_path, text):
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    return str(path)


def test_defaults(tmp_path):
    config = load(options())
    assert (config.site, config.brokers, config.listen) == ("home", [], "127.0.0.1")
    assert (config.port, config.broker_kind, config.profile) == (0, "auto", "normal")
    assert config.state == tmp_path / "state" / "atoll" / "home" / "gateway"
    assert default_state("x").parts[-2:] == ("x", "gateway")


def test_the_command_line_wins_over_the_file_over_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOLL_SITE", "env")
    monkeypatch.setenv("ATOLL_BROKER", "mqtt://env:1")
    path = file_with(tmp_path, 'site = "file"\nprofile = "fast"\nport = 2000')
    config = load(options(config=path, profile="demo"))
    assert (config.site, config.profile, config.port) == ("file", "demo", 2000)
    assert config.brokers[0].host == "env"
    assert load(options(site="line")).site == "line"


def test_a_list_of_brokers():
    config = load(options(broker="mqtt://a:1,mqtt://b:2"))
    assert [(b.host, b.port) for b in config.brokers] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('sight = "x"', "unknown key 'sight'; did you mean 'site'?"),
        ('colour = "red"', "unknown key 'colour'; known: site, broker"),
        ("site = 5", "site = 5, a text is wanted"),
        ('port = "1883"', "port = '1883', a number is wanted"),
        ("site = ", "Invalid value"),
        ('site = "UPPER"', "lower case"),
        ('site = "a/b"', "site 'a/b'"),
        ('broker = "http://x"', "http"),
        ('profile = "slow"', "profile 'slow' is none of"),
        ('broker_kind = "emqx"', "broker kind 'emqx' is none of"),
        ("port = 70000", "0 to 65535"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        load(options(config=file_with(tmp_path, text)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(ConfigError, match="No such file"):
        load(options(config="/nowhere/gateway.toml"))


def test_every_key_is_documented():
    text = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text()
    assert all(f"`{key}`" in text for key in KEYS)
