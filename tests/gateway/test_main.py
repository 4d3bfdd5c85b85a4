"""The process, with a real broker: start, serve, end; and one line for each thing that is wrong."""

import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from atoll.gateway.client import connect

CODE = """
import argparse, sys
from atoll.gateway import main
parser = argparse.ArgumentParser()
main.add_arguments(parser)
sys.exit(main.run(parser.parse_args()))
"""


def command(*words):
    return [sys.executable, "-P", "-c", CODE, *map(str, words)]


def run(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=60)


class Process:
    """A gateway as a process, and what it says."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.first = self.process.stdout.readline()

    @property
    def url(self):
        return next(word.strip(",") for word in self.first.split() if "mqtt://" in word)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=20)
        return self.process.returncode, rest


@pytest.fixture
def started():
    processes = []

    def start(*words):
        processes.append(Process(*words))
        return processes[-1]

    yield start
    for one in processes:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.broker
def test_it_brings_a_broker_serves_and_ends_well(tmp_path, started, free_port):
    gateway = started("--state", tmp_path, "--site", "t", "--port", free_port)
    assert "site t, term " in gateway.first
    assert ", own " in gateway.first
    assert f"mqtt://127.0.0.1:{free_port}" in gateway.first
    with connect(gateway.url, site="t", timeout_s=20) as fleet:
        assert fleet.status()["term"] >= 1
        assert fleet.devices() == []
    code, rest = gateway.end()
    assert code == 0
    assert "Traceback" not in rest
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), 1)


@pytest.mark.broker
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_next_one_has_the_next_term(tmp_path, started, broker_url, number):
    site = f"t{time.monotonic_ns()}"
    words = ("--state", tmp_path, "--site", site, "--broker", broker_url)
    gateway = started(*words)
    with connect(broker_url, site=site, timeout_s=20) as fleet:
        term = fleet.status()["term"]
        code, _ = gateway.end(number)
        assert code in (0, -signal.SIGKILL)
        started(*words)
        assert fleet.status()["term"] > term


@pytest.mark.broker
def test_two_gateways_do_not_share_a_state(tmp_path, started, free_port):
    started("--state", tmp_path, "--site", "t", "--port", free_port)
    done = run("--state", tmp_path, "--site", "t")
    assert done.returncode == 1
    assert "in use by another gateway" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--site", "UPPER"), "lower case"),
        (("--broker", "ftp://x"), "ftp"),
        (("--config", "/nowhere.toml"), "No such file"),
        (("--listen", "0.0.0.0"), "nobody is enrolled"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, words, said):
    done = run("--state", tmp_path / "s", *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("--state", tmp_path, "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert "is taken" in done.stderr


def test_a_ledger_from_the_future(tmp_path):
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("CREATE TABLE setting (x)")
        db.execute("PRAGMA user_version = 999")
    db.close()
    done = run("--state", tmp_path)
    assert done.returncode == 1
    assert "version 999" in done.stderr


def test_a_broker_that_does_not_answer(tmp_path, monkeypatch, capsys, free_port):
    from types import SimpleNamespace

    from atoll.gateway import main
    from atoll.gateway.config import KEYS

    monkeypatch.setattr(main, "FIRST_CONNECTION_S", 0.3)
    options = SimpleNamespace(**{"config": None, **dict.fromkeys(KEYS)})
    options.state, options.broker = str(tmp_path), f"mqtt://127.0.0.1:{free_port}"
    assert main.run(options) == 4
    assert "no broker answers at mqtt://127.0.0.1" in capsys.readouterr().err
