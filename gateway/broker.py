"""The gateway's own broker: mosquitto where it is installed, else iotcore, as a child that dies
with it.

The broker is disposable: it keeps nothing on disk, and what it knew (retained messages, sessions)
is published again by those who own it. So a broker that died is simply started again, on its old
port; the port is also kept over restarts of the gateway, since devices are configured with it. The
child gets SIGTERM from the kernel when the gateway dies (`setpriv --pdeathsig`), whatever killed
it.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from atoll.gateway.errors import GatewayError
from atoll.gateway.listeners import listens
from atoll.gateway.private import write_private
from atoll.transport.backoff import Backoff
from atoll.transport.loop import Loop, Timer
from atoll.wire.limits import MESSAGE_BYTES_MAX

KINDS = ("auto", "mosquitto", "iotcore")
PORT = 1883
LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 3.0
_ATTEMPTS = 3  # at a free port: between our look and the child's another process may take it
_POLL_S = 0.02
_BACKOFF_MAX_S = 5.0

# The largest packet: a message, its topic and MQTT 5 properties.
_PACKET_BYTES_MAX = MESSAGE_BYTES_MAX + 8_192

# Each limit bounds what one client, or all, can take from the machine:
# - in flight: what a slow receiver holds unacknowledged, and how many messages the gateway may have
#   under way, which bounds how many devices it answers in a round trip;
# - queued: what it may fall behind (64 MiB: a thousand full messages), then messages are dropped
#   and asked for again by the protocol;
# - keep-alive: a dead socket is noticed within half an hour even if its client asked for days; a
#   metered device asks for 20 minutes;
# - check_retain_source: a retained message goes when its author's rights do (CVE-2018-12546).
_MOSQUITTO_CONF = """\
listener {port} {listen}
{access}
user {user}
persistence false
set_tcp_nodelay true
max_packet_size {packet}
max_inflight_messages 512
max_inflight_bytes 8388608
max_queued_messages 100000
max_queued_bytes 67108864
memory_limit 536870912
max_keepalive 1200
max_connections 20000
max_qos 1
persistent_client_expiration 1h
check_retain_source true
sys_interval 0
connection_messages false
log_timestamp_format %Y-%m-%dT%H:%M:%S
log_type error
log_type warning
log_dest stderr
"""

_ACCESS = """\
allow_anonymous false
password_file {passwords}
acl_file {acl}
use_username_as_clientid true"""

# rumqttd reports every packet as an error when tracing: that log is switched off, not kept.
_IOTCORE_CHILD = """\
import logging, sys
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
sys.path[:] = [entry for entry in sys.path if entry not in ("", ".")]
from iotcore.iotcore import IotCoreBroker
listen, port, size = sys.argv[1:]
IotCoreBroker(listen=listen, port=int(port), max_payload_size=int(size),
              max_inflight_count=512, max_connections=20000).run_forever()
"""


class Access(NamedTuple):
    """Where mosquitto finds who may come and who may say what (enrolment.py writes both files)."""

    passwords: Path
    acl: Path


def choose_kind(kind: str) -> str:
    """mosquitto or iotcore: as asked, or what is there. Raises `GatewayError` if none is."""
    if kind not in KINDS:
        raise GatewayError(f"broker kind {kind!r} is none of {', '.join(KINDS)}")
    if kind in ("auto", "mosquitto") and find_mosquitto():
        return "mosquitto"
    if kind in ("auto", "iotcore") and _has_iotcore():
        return "iotcore"
    wanted = "no broker here" if kind == "auto" else f"{kind} is not installed"
    raise GatewayError(
        f"{wanted}: apt-get install mosquitto, or pip install iotcore, or give --broker URL"
    )


def find_mosquitto() -> str | None:
    """mosquitto's path; Debian keeps it in /usr/sbin, which is not on every user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def _has_iotcore() -> bool:
    from importlib.util import find_spec

    return find_spec("iotcore") is not None


class BrokerChild:
    """A broker of our own, in `directory` (configuration, log, port, pid).

    `access` (mosquitto only) turns anonymous clients away. After `start`: `kind`, `port`, `pid`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        kind: str = "auto",
        listen: str = LOOPBACK,
        port: int = 0,
        access: Access | None = None,
    ) -> None:
        """`port` 0: the one of the last time, else 1883, else a free one."""
        self.kind = choose_kind(kind)
        self.port = port
        self._wanted_port = port
        self._directory = directory
        self._listen = listen
        self._access = access
        self._process: subprocess.Popen[bytes] | None = None
        self._loop: Loop | None = None
        self._pidfd = -1
        self._notify: Callable[[str], None] = _ignore
        self._backoff = Backoff(_BACKOFF_MAX_S)
        self._restart_timer: Timer | None = None
        if access and self.kind != "mosquitto":
            raise GatewayError(
                f"{self.kind} knows no access lists: enrolled devices need mosquitto"
            )

    @property
    def pid(self) -> int:
        """The child's process id; 0 if it does not run."""
        return self._process.pid if self._process else 0

    @property
    def host(self) -> str:
        """Where the gateway itself reaches the broker."""
        return {"0.0.0.0": LOOPBACK, "::": "::1", "": LOOPBACK}.get(self._listen, self._listen)

    @property
    def url(self) -> str:
        """Where the gateway itself reaches the broker, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt://{host}:{self.port}"

    @property
    def log_path(self) -> Path:
        """The broker's warnings and errors since its last start."""
        return self._directory / "broker.log"

    def start(self) -> None:
        """Start the child and wait until it listens. Raises `GatewayError`."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for attempt in range(_ATTEMPTS):
            if self._wanted_port == 0:
                self.port = self._pick_port(fresh=attempt > 0)
            elif not _is_free(self._listen, self.port):
                raise GatewayError(f"port {self.port} on {self._listen} is taken: give another one")
            self._spawn()
            if self._await_listening():
                write_private(self._directory / "port", f"{self.port}\n".encode())
                self._backoff.came_up(time.monotonic())
                return
        raise GatewayError(f"{self.kind} does not start: {self._last_words()}")

    def watch(self, loop: Loop, notify: Callable[[str], None]) -> None:
        """Start the child again whenever it dies; `notify` gets a line for people each time."""
        self._loop = loop
        self._notify = notify
        self._watch_child()

    def reload(self) -> None:
        """Let mosquitto read its password and access files again."""
        if self._process and self.kind == "mosquitto":
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End the child; harmless if it does not run."""
        self._unwatch_child()
        if self._restart_timer:
            self._restart_timer.cancel()
        self._loop = None
        self._end_child()

    # --- the child ------------------------------------------------------------------------------

    def _spawn(self) -> None:
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*_die_with_parent(), *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the gateway alone, which then ends us
            )
        write_private(self._directory / "pid", f"{self._process.pid}\n".encode())

    def _command(self) -> list[str]:
        if self.kind == "iotcore":
            size = str(_PACKET_BYTES_MAX)
            return [sys.executable, "-c", _IOTCORE_CHILD, self._listen, str(self.port), size]
        access = "allow_anonymous true"
        if self._access:
            access = _ACCESS.format(passwords=self._access.passwords, acl=self._access.acl)
        text = _MOSQUITTO_CONF.format(
            port=self.port,
            listen=self._listen,
            access=access,
            user=_user_name(),
            packet=_PACKET_BYTES_MAX,
        )
        path = self._directory / "mosquitto.conf"
        write_private(path, text.encode())
        return [str(find_mosquitto()), "-c", str(path)]

    def _await_listening(self) -> bool:
        """Whether the child listens in time; one that has ended does not. Who took its port in the
        moment between our look and its own answers there, too, and is none of ours.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), START_TIMEOUT_S).close()
            except OSError:
                time.sleep(_POLL_S)  # another process's listen() is no event that can be awaited
            else:
                if listens(self._process.pid, self.port):
                    return True
                time.sleep(_POLL_S)
        self._end_child()
        return False

    def _end_child(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (self._directory / "pid").unlink(missing_ok=True)

    def _pick_port(self, *, fresh: bool) -> int:
        """The port of the last time, 1883, or any free one."""
        for port in () if fresh else (self._last_port(), PORT):
            if port and _is_free(self._listen, port):
                return port
        with _bound(self._listen, 0) as probe:
            return int(probe.getsockname()[1])

    def _last_port(self) -> int:
        try:
            port = int((self._directory / "port").read_text())
        except (OSError, ValueError):
            return 0
        return port if 0 < port < 65_536 else 0

    def _last_words(self) -> str:
        lines = self.log_path.read_bytes().decode(errors="replace").splitlines()
        return " | ".join(lines[-2:])[-400:] or "it says nothing"

    # --- its end --------------------------------------------------------------------------------

    def _watch_child(self) -> None:
        if self._loop and self._process:
            self._pidfd = os.pidfd_open(self._process.pid)
            self._loop.watch(self._pidfd, readable=self._child_ended)

    def _unwatch_child(self) -> None:
        if self._loop and self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _child_ended(self) -> None:
        code = self._process.wait() if self._process else 0
        self._unwatch_child()
        self._process = None
        words = f" ({self._last_words()})" if code > 0 else ""
        self._schedule(f"{self.kind} ended with {_exit_text(code)}{words}")

    def _schedule(self, problem: str) -> None:
        if self._loop:
            delay_s = self._backoff.next_delay(self._loop.now(), 0.0)
            self._restart_timer = self._loop.call_later(delay_s, self._restart)
            self._notify(f"{problem}; starting it again in {delay_s:.2f} s")

    def _restart(self) -> None:
        """On the same port only: that is where the devices look. They wait for it, and so may we:
        a child that cannot start ends, which is seen like any other end.
        """
        self._restart_timer = None
        if not _is_free(self._listen, self.port):
            self._schedule(f"port {self.port} is taken")
            return
        self._spawn()
        self._backoff.came_up(time.monotonic())
        self._watch_child()


def reload_broker(directory: Path) -> bool:
    """Let the mosquitto that another process runs in `directory` read its files again; False: none
    runs.
    """
    try:
        pid = int((directory / "pid").read_text())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return False
    try:
        # Looked at after the descriptor was opened: the process signalled is the one looked at.
        if Path(f"/proc/{pid}/comm").read_text().strip() != "mosquitto":
            return False
        signal.pidfd_send_signal(pidfd, signal.SIGHUP)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return True


def _die_with_parent() -> list[str]:
    """A command prefix that has the kernel end the child with us; util-linux is on every Debian."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def _bound(listen: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    probe = socket.socket(family, socket.SOCK_STREAM)
    try:
        # As the broker does: connections that are closing do not hold a port, a listener does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((listen, port))
    except OSError:
        probe.close()
        raise
    return probe


def _is_free(listen: str, port: int) -> bool:
    try:
        _bound(listen, port).close()
    except OSError:
        return False
    return True


def _user_name() -> str:
    """mosquitto started by root changes to a user who could not read our files, unless told."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _ignore(_: str) -> None:
    pass
