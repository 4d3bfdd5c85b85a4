"""The gateway's own broker, of both kinds: where it listens, how it dies, how it comes back."""

import importlib.util
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atoll.gateway import broker as broker_module
from atoll.gateway.broker import (
    PORT,
    Access,
    BrokerChild,
    choose_kind,
    find_mosquitto,
    reload_broker,
)
from atoll.gateway.errors import GatewayError
from atoll.gateway.listeners import listens
from atoll.runtime.main import KEEPALIVE_S
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Session
from atoll.transport.url import parse_broker

KINDS = ["mosquitto", "iotcore"]


def there(kind):
    return find_mosquitto() if kind == "mosquitto" else importlib.util.find_spec("iotcore")


def test_the_broker_grants_every_profile_its_silence():
    """mosquitto tells a client that asks for more how often to speak: it said 2 minutes."""
    longest = max(KEEPALIVE_S.values())
    assert f"max_keepalive {longest}\n" in broker_module._MOSQUITTO_CONF


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.broker) for kind in KINDS])
def child(request, tmp_path):
    """A broker of each kind, not started."""
    if not there(request.param):
        pytest.skip(f"{request.param} is not installed")
    made = BrokerChild(tmp_path / "broker", kind=request.param)
    yield made
    made.stop()


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.close()


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def answers_soon(port):
    """A child's listen() is no event that can be awaited."""
    deadline = time.monotonic() + 10.0
    while not answers(port) and time.monotonic() < deadline:
        time.sleep(0.01)
    return answers(port)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_it_listens_on_loopback_only_and_says_where(child):
    child.start()
    assert child.url == f"mqtt://127.0.0.1:{child.port}"
    assert answers(child.port)
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    mine = [line.split()[1] for line in listening if line.split()[3] == "0A"]
    assert f"0100007F:{child.port:04X}" in mine
    assert f"00000000:{child.port:04X}" not in mine
    child.stop()
    assert not answers(child.port)
    assert child.pid == 0


def test_a_taken_port_gives_a_free_one(child, tmp_path):
    holder = None
    if broker_module._is_free("127.0.0.1", PORT):
        holder = socket.create_server(("127.0.0.1", PORT))
    child.start()
    assert child.port != PORT
    assert answers(child.port)
    if holder:
        holder.close()


def test_a_port_that_another_took_since_we_looked_is_not_ours(child, monkeypatch):
    """What answered there was taken for the child, which had ended: its users had another broker,
    and none once that one was stopped.
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken, pick = other.getsockname()[1], child._pick_port
        monkeypatch.setattr(
            child, "_pick_port", lambda *, fresh: pick(fresh=True) if fresh else taken
        )
        child.start()
        assert child.port != taken
        assert is_alive(child.pid)
        assert listens(child.pid, child.port)
        assert not listens(child.pid, taken)
        assert listens(os.getpid(), taken)
    assert not listens(os.getpid(), taken)


def test_a_port_that_was_asked_for_is_taken_or_refused(child):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        wanted = holder.getsockname()[1]
        child._wanted_port = child.port = wanted
        with pytest.raises(GatewayError, match=f"port {wanted} on 127.0.0.1 is taken"):
            child.start()
    child.start()
    assert child.port == wanted


def test_the_port_is_kept_over_restarts_of_the_gateway(child, tmp_path):
    child.start()
    port = child.port
    child.stop()
    again = BrokerChild(tmp_path / "broker", kind=child.kind)
    again.start()
    assert again.port == port
    again.stop()


def test_a_port_file_that_is_damaged_is_ignored(child, tmp_path):
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker" / "port").write_text("no port\n")
    child.start()
    assert answers(child.port)


def test_a_dead_broker_is_started_again_on_its_port(child, loop):
    notes = []
    child.start()
    child.watch(loop, notes.append)
    for _ in range(2):
        port, pid = child.port, child.pid
        os.kill(pid, signal.SIGKILL)
        assert loop.run_until(lambda old=pid: child.pid not in (0, old), 10.0)
        assert child.port == port
        assert answers_soon(port)
    assert len(notes) == 2
    assert notes[0].startswith(f"{child.kind} ended with signal 9; starting it again in")


def test_a_port_that_is_taken_meanwhile_is_waited_for(child, loop, monkeypatch):
    notes = []
    child.start()
    child.watch(loop, notes.append)
    holders = []
    spawn = child._spawn
    os.kill(child.pid, signal.SIGKILL)
    assert loop.run_until(lambda: len(notes) == 1, 5.0)
    holders.append(socket.create_server(("127.0.0.1", child.port)))
    assert loop.run_until(lambda: any("is taken" in note for note in notes), 5.0)
    holders.pop().close()
    assert loop.run_until(lambda: child.pid != 0, 10.0)
    assert child._spawn == spawn


def test_a_broker_that_cannot_start_again_is_tried_ever_more_slowly(child, loop):
    notes = []
    child.start()
    child.watch(loop, notes.append)
    command, child._command = child._command, lambda: [sys.executable, "-c", "exit('no way')"]
    os.kill(child.pid, signal.SIGKILL)
    assert loop.run_until(lambda: len(notes) == 4, 10.0)
    assert "ended with code 1 (no way); starting it again in 0.10 s" in notes[1]
    assert "in 0.20 s" in notes[2]
    child._command = command
    assert loop.run_until(lambda: child.pid != 0, 10.0)
    assert answers_soon(child.port)


def test_stopping_during_a_restart_leaves_nothing(child, loop):
    child.start()
    child.watch(loop, lambda _: None)
    os.kill(child.pid, signal.SIGKILL)
    assert loop.run_until(lambda: child.pid == 0, 5.0)
    child.stop()
    assert not loop.run_until(lambda: child.pid != 0, 0.5)


def test_it_dies_with_the_gateway_however_that_dies(child, tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom atoll.gateway.broker import BrokerChild\n"
        f"child = BrokerChild(Path({str(tmp_path / 'other')!r}), kind={child.kind!r})\n"
        "child.start()\nprint(child.pid, child.port, flush=True)\ntime.sleep(600)\n"
    )
    gateway = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid, port = map(int, gateway.stdout.readline().split())
    assert is_alive(pid)
    gateway.kill()
    gateway.wait()
    gateway.stdout.close()
    deadline = time.monotonic() + 5.0
    while (is_alive(pid) or answers(port)) and time.monotonic() < deadline:
        time.sleep(0.01)  # the death of somebody else's child is no event here
    assert not is_alive(pid)
    assert not answers(port)


def test_it_takes_messages_of_full_size_and_of_many_clients(child, loop):
    child.start()
    links = [Link(loop, [parse_broker(child.url)], Session(f"c{n}")) for n in range(20)]
    got = []
    for link in links:
        link.on_message = got.append
        link.subscribe("t")
        link.start()
    assert loop.run_until(lambda: all(link.up for link in links), 10.0)
    links[0].publish("t", bytes(65_536), purpose="p")
    assert loop.run_until(lambda: len(got) == 20, 10.0)
    assert {len(message.payload) for message in got} == {65_536}
    for link in links:
        link.close(drain_s=0.0)


def test_the_log_is_short_and_the_files_are_private(child, loop, tmp_path):
    child.start()
    link = Link(loop, [parse_broker(child.url)], Session("c"))
    link.subscribe("t")
    link.start()
    assert loop.run_until(lambda: link.up, 10.0)
    for _ in range(200):
        link.publish("t", b"x", purpose="p")
    assert loop.run_until(lambda: link.queued == 0, 10.0)
    link.close()
    assert child.log_path.stat().st_size < 1_000
    for name in ("port", "pid"):
        assert stat.S_IMODE((tmp_path / "broker" / name).stat().st_mode) == 0o600


def test_a_broker_that_does_not_start_says_why(tmp_path, monkeypatch):
    if not there("mosquitto"):
        pytest.skip("mosquitto is not installed")
    monkeypatch.setattr(broker_module, "_MOSQUITTO_CONF", "no_such_option {port}\n")
    made = BrokerChild(tmp_path, kind="mosquitto")
    with pytest.raises(GatewayError, match=r"mosquitto does not start: .*no_such_option"):
        made.start()
    assert made.pid == 0


def test_the_kind_is_chosen_by_what_is_there(monkeypatch):
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: "/usr/sbin/mosquitto")
    monkeypatch.setattr(broker_module, "_has_iotcore", lambda: True)
    assert [choose_kind(kind) for kind in ("auto", *KINDS)] == ["mosquitto", *KINDS]
    monkeypatch.setattr(broker_module, "find_mosquitto", lambda: None)
    assert choose_kind("auto") == "iotcore"
    with pytest.raises(GatewayError, match="mosquitto is not installed: apt-get install mosquitto"):
        choose_kind("mosquitto")
    monkeypatch.setattr(broker_module, "_has_iotcore", lambda: False)
    with pytest.raises(GatewayError, match=r"no broker here: .*--broker URL"):
        choose_kind("auto")
    with pytest.raises(GatewayError, match="none of auto, mosquitto, iotcore"):
        choose_kind("emqx")


def test_iotcore_is_refused_where_people_are_enrolled(tmp_path, monkeypatch):
    monkeypatch.setattr(broker_module, "_has_iotcore", lambda: True)
    with pytest.raises(GatewayError, match="enrolled devices need mosquitto"):
        BrokerChild(tmp_path, kind="iotcore", access=Access(tmp_path / "p", tmp_path / "a"))


def test_reloading_needs_a_broker_that_runs(tmp_path):
    assert not reload_broker(tmp_path)
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    assert not reload_broker(tmp_path)  # that is we, and no mosquitto
    (tmp_path / "pid").write_text("99999999\n")
    assert not reload_broker(tmp_path)
