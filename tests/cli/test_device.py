import argparse

import pytest

from atoll.cli import device


def options(*words):
    parser = argparse.ArgumentParser()
    device.add_arguments(parser)
    return parser.parse_args(["--id", "pi-1", *words])


def test_what_the_runtime_is_told(monkeypatch):
    told = []
    monkeypatch.setattr("atoll.runtime.main.run_device", lambda options: told.append(options) or 0)
    words = ("--source", "a=proc:1hz", "--source", "b=mqtt:x", "--zone", "z", "--capacity", "2")
    assert device.run(options("--store", "s", "--token", "t", *words)) == 0
    [found] = told
    assert found.sources == ("a=proc:1hz", "b=mqtt:x")
    assert (found.id, found.store, found.zone, found.capacity, found.token) == (
        "pi-1", "s", "z", 2.0, "t",
    )  # fmt: skip


def test_without_a_capacity_the_board_decides(monkeypatch):
    told = []
    monkeypatch.setattr("atoll.runtime.main.run_device", lambda options: told.append(options) or 0)
    assert device.run(options()) == device.run(options("--capacity", "0")) == 0
    assert [found.capacity for found in told] == [None, 0.0]


def test_a_store_of_its_own_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert device.default_store("home", "pi-1") == f"{tmp_path}/atoll/home/pi-1"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert device.default_store("home", "pi-1") == f"{tmp_path}/.local/state/atoll/home/pi-1"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--id", "a/b"), "a/b"),
        (("--id", "a", "--site", "UP"), "lower case"),
        (("--id", "a", "--broker", "http://x"), "http"),
        (("--id", "a", "--capacity", "-1"), "capacity"),
        (("--id", "a", "--source", "x"), "source"),
        (("--id", "a", "--source", "x=smoke:1"), "smoke"),
    ],
)
def test_options_that_cannot_be(atoll, tmp_path, words, says):
    done = atoll("device", *words, "--store", tmp_path / "s", code=2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_settings_file_lies_between_the_line_and_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ATOLL_BROKER", "mqtt://env")
    monkeypatch.setenv("ATOLL_TOKEN", "env")
    path = tmp_path / "atoll.toml"
    path.write_text(
        '[device]\ntoken = "file"\nzone = "file"\nsource = ["a=proc:1hz"]\nmax_wait = 30000\n'
    )
    found = device.settled(options("--config", str(path), "--zone", "line"))
    assert (found["broker"], found["token"], found["zone"]) == ("mqtt://env", "file", "line")
    assert (found["source"], found["max_wait"], found["workers"]) == (["a=proc:1hz"], 30_000, 0)
    assert found["id"] == "pi-1"


def test_with_a_file_the_id_may_be_the_machines_name(monkeypatch, tmp_path):
    path = tmp_path / "atoll.toml"
    path.write_text("")
    parser = argparse.ArgumentParser()
    device.add_arguments(parser)
    machine = ("", "pi ümlaut-3.lan", "", "", "")
    monkeypatch.setattr("os.uname", lambda: type("U", (), {"nodename": machine[1]}))
    assert device.settled(parser.parse_args(["--config", str(path)]))["id"] == "pimlaut-3"


@pytest.mark.parametrize(
    ("text", "says"),
    [("[device]\nid = 1", "a text is wanted"), ("[device]\nprofile = 'x'\nid='a'", "profile 'x'")],
)
def test_settings_that_cannot_be(atoll, tmp_path, text, says):
    (tmp_path / "a.toml").write_text(text)
    words = ("device", "--config", tmp_path / "a.toml", "--store", tmp_path / "s")
    done = atoll(*words, code=2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_device_needs_a_name(atoll, tmp_path):
    assert "--id" in atoll("device", "--store", tmp_path / "s", code=2).stderr
