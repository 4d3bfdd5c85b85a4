import fcntl
import os
import signal
import threading

import pytest

from atoll.runtime.files import SystemFiles
from atoll.runtime.main import FAILED, OK, USAGE, DeviceOptions, run_device
from atoll.runtime.state import load


def options(tmp_path, **changes):
    given = {"id": "pi", "store": str(tmp_path / "store"), "broker": "mqtt://127.0.0.1:9"}
    return DeviceOptions(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "a/b"}, "id 'a/b': 1 to 64"),
        ({"id": ""}, "id ''"),
        ({"zone": "#"}, "zone '#'"),
        ({"site": "Home"}, "lower case"),
        ({"broker": "http://x"}, "mqtt:// or mqtts://"),
        ({"profile": "turbo"}, "profile 'turbo' is none of"),
        ({"capacity": -0.5}, "capacity -0.5"),
        ({"capacity": float("nan")}, "capacity nan"),
        ({"workers": -1}, "workers -1"),
        ({"commit_ms": 0}, "commit wait 0 ms"),
        ({"sources": ("machine=adc:3",)}, "is none of proc, file, mqtt"),
        ({"sources": ("adc=iio:ads1015",)}, "source adc: no iio device 'ads1015'"),
        ({"sources": ("mic=alsa:hw:7",)}, "source mic: "),
        ({"sources": ("scale=serial:/gone",)}, "source scale: /gone is not there"),
        ({"sources": ("motor=file:/gone.npy@10hz",)}, "/gone.npy: No such file"),
    ],
)
def test_unusable_options_end_in_one_clear_line(tmp_path, capsys, changes, words):
    assert run_device(options(tmp_path, **changes)) == USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("atoll device: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "store").exists()


def test_a_store_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run_device(options(tmp_path, store=str(tmp_path / "file" / "store"))) == FAILED
    assert "store cannot be used: " in capsys.readouterr().err


def test_a_store_in_use(tmp_path, capsys):
    (tmp_path / "store").mkdir()
    with (tmp_path / "store" / "lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run_device(options(tmp_path)) == FAILED
    assert "is in use by process 4711: one device a store" in capsys.readouterr().err


def test_a_damaged_state_file(tmp_path, capsys):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "state").write_bytes(b"ATOLLSTA" + bytes(90))
    assert run_device(options(tmp_path)) == FAILED
    assert "state is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_a_broker_it_keeps_trying_until_it_is_told_to_end(tmp_path, capsys, number):
    store = tmp_path / "store"

    def end():
        while not (store / "installed").exists() and not ended.wait(0.05):
            pass
        if not ended.wait(0.5):
            os.kill(os.getpid(), number)

    ended = threading.Event()
    ender = threading.Thread(target=end)
    ender.start()
    try:
        assert run_device(options(tmp_path)) == OK
    finally:
        ended.set()
        ender.join()
    out = capsys.readouterr().out
    assert out.count("cannot reach the broker, trying again: mqtt://127.0.0.1:9") == 1
    assert out.splitlines()[0].startswith("pi: boot 1, 0 blocks in ")
    assert load(SystemFiles(), str(store)).boot == 1
    assert (store.stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize(
    ("changes", "commit_s", "block_s"),
    [
        ({}, 0.2, 60.0),
        ({"low_write": True}, 30.0, 600.0),
        ({"low_write": True, "commit_ms": 45_000}, 45.0, 600.0),
    ],
)
def test_a_card_is_spared_on_demand(tmp_path, monkeypatch, changes, commit_s, block_s):
    """Fewer and larger writes: blocks stay open for longer, and more of them share a sync."""
    seen = []

    def loop(options, brokers, core, parts, lines):
        seen.append((parts[0]._commit_s, core._custody.live._block_s))
        return OK

    monkeypatch.setattr("atoll.runtime.main._run_loop", loop)
    assert run_device(options(tmp_path, **changes)) == OK
    assert seen == [(commit_s, block_s)]
