"""A whole site on this machine: a gateway with its broker and some devices, each a process of its
own.

The demonstration, the benchmarks and the tests run on it. Processes are started and stopped by
their id; each is in a session of its own, so that Ctrl-C reaches them in order and not all at once,
and each ends when this process does, however that ends. What they print goes to files in the site's
folder; an error quotes the end of it.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
# An interpreter on a small board takes seconds to start, four at once on one core longer.
START_TIMEOUT_S = 40.0
# A device drains for at most 5 s on SIGTERM.
STOP_TIMEOUT_S = 10.0
_BROKER_URL = re.compile(r"mqtts?://[^\s\"',]+")
# What a gateway says once it serves, or once it has found that another one leads.
_SETTLED = re.compile(rf"{_BROKER_URL.pattern}|standing by")
_QUOTED_LINES = 5
_ATOLL = (sys.executable, "-P", "-m", "atoll.cli")
# What would lead a child of ours to another site.
_OURS = ("ATOLL_BROKER", "ATOLL_SITE", "ATOLL_PASSWORD", "ATOLL_TOKEN")


class SiteError(Exception):
    """A process of the site did not do what it must; the message quotes it."""


class Child:
    """One process of the site, with what it prints added to a file."""

    def __init__(
        self, name: str, words: Sequence[str], log: Path, *, program: Sequence[str] = _ATOLL
    ) -> None:
        self.name = name
        self.log = log
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [*program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={name: text for name, text in os.environ.items() if name not in _OURS},
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=partial(die_with, os.getpid()),
        )
        threading.Thread(target=self._copy, name=f"log {name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL: no goodbye, as when the power goes."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        if self.alive():
            self.process.terminate()

    def end(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Wait for it to end, and kill it if it does not."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def wait_for(self, pattern: "re.Pattern[str]", timeout_s: float) -> str:
        """The first match of `pattern` in what it prints."""

        def found() -> "re.Match[str] | None":
            return next(filter(None, map(pattern.search, self._lines)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or not self.alive(), timeout_s)
            match = found()
        if match is None:
            raise SiteError(f"{self.name} did not start: {self.tail()}")
        return match[0]

    def tail(self) -> str:
        """The last lines that it printed."""
        with self._changed:
            return " / ".join(self._lines[-_QUOTED_LINES:]) or "it said nothing"

    def _copy(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("a", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                with self._changed:
                    self._lines.append(line.rstrip())
                    del self._lines[:-1000]
                    self._changed.notify_all()
        # Its output ends a moment before it does; who waits for either must find it ended.
        self.process.wait()
        with self._changed:
            self._changed.notify_all()


class LocalSite:
    """A gateway and its devices as processes; a context manager that leaves nothing running.

    Start processes from the main thread: the kernel ends them with the thread that started them.
    """

    # What runs a verb; a benchmark may put itself in between.
    program: Sequence[str] = _ATOLL

    def __init__(
        self,
        folder: Path,
        *,
        site: str = "demo",
        profile: str = "demo",
        broker: str | None = None,
        broker_kind: str = "auto",
    ) -> None:
        """`broker`: one that runs already; without it the gateway brings one of `broker_kind`."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.site = site
        self.profile = profile
        self.url = broker or ""
        self.broker_kind = broker_kind
        self._broker = broker
        self.gateway: Child | None = None
        self.standbys: dict[str, Child] = {}
        self.devices: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, devices: int = 4, sources: Sequence[str] = ()) -> None:
        """Start the gateway, then the devices `device-1` and on; the first samples `sources`."""
        self.start_gateway()
        for number in range(1, devices + 1):
            self.start_device(f"device-{number}", sources if number == 1 else ())
        self.wait_ready(devices)

    def start_gateway(self, *, wait: bool = True) -> Child:
        """Start the gateway on its state folder, and learn where its broker listens; `wait` until
        it serves.
        """
        words = ["gateway", "--state", str(self.folder / "gateway"), "--site", self.site]
        words += ["--profile", self.profile]
        if self._broker:
            words += ["--broker", self._broker]
        else:
            words += ["--broker-kind", self.broker_kind]
        log = self.folder / "gateway.log"
        self.gateway = Child("gateway", words, log, program=self.program)
        self.url = self._broker or self.gateway.wait_for(_BROKER_URL, START_TIMEOUT_S)
        if wait:
            self.gateway.wait_for(_SETTLED, START_TIMEOUT_S)
        return self.gateway

    def start_standby(self, name: str = "standby") -> Child:
        """Start a gateway that stands by, on an external broker."""
        words = ["gateway", "--state", str(self.folder / name), "--site", self.site, "--standby"]
        words += ["--profile", self.profile, "--broker", self.url]
        self.standbys[name] = Child(name, words, self.folder / f"{name}.log")
        self.standbys[name].wait_for(_BROKER_URL, START_TIMEOUT_S)
        return self.standbys[name]

    def start_device(
        self, name: str, sources: Sequence[str] = (), more: Sequence[str] = ()
    ) -> Child:
        """Start a device on its store, with more options."""
        words = ["device", "--id", name, "--broker", self.url, "--site", self.site]
        words += ["--store", str(self.folder / name), "--profile", self.profile]
        words += ["--shared-machine", *more]
        for source in sources:
            words += ["--source", source]
        log = self.folder / f"{name}.log"
        self.devices[name] = Child(name, words, log, program=self.program)
        return self.devices[name]

    def connect(self, timeout_s: float = START_TIMEOUT_S) -> Any:
        """A client of this site, as anybody's."""
        from atoll.gateway.client import connect

        return connect(self.url, site=self.site, timeout_s=timeout_s)

    def wait_ready(self, count: int, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until so many devices are ready."""
        with self.connect_when_there(timeout_s) as fleet:
            wait_until(
                lambda: sum(device["state"] == "ready" for device in fleet.devices()) >= count,
                timeout_s,
                f"{count} devices are ready",
                self._check_children,
            )

    def connect_when_there(self, timeout_s: float) -> Any:
        """Connect to a gateway that has only just been started."""
        from atoll.gateway.client_errors import Unreachable

        ends_s = time.monotonic() + timeout_s
        while True:
            try:
                return self.connect(max(0.1, ends_s - time.monotonic()))
            except Unreachable as error:
                self._check_children()
                if time.monotonic() > ends_s:
                    assert self.gateway is not None
                    raise SiteError(f"{error}; gateway: {self.gateway.tail()}") from None

    def _check_children(self) -> None:
        for child in [self.gateway, *self.devices.values()]:
            if child is not None and not child.alive():
                raise SiteError(f"{child.name} ended: {child.tail()}")

    def stop(self) -> None:
        """End every process: devices first, so that they can say goodbye, then the gateway."""
        for child in self.devices.values():
            child.terminate()
        for child in self.devices.values():
            child.end()
        gateways = [child for child in (self.gateway, *self.standbys.values()) if child is not None]
        for child in gateways:
            child.terminate()
        for child in gateways:
            child.end()


def wait_until(
    condition: Callable[[], bool],
    timeout_s: float,
    what: str,
    check: Callable[[], None] = lambda: None,
) -> float:
    """Ask until `condition()` holds and return the seconds it took; `SiteError` after `timeout_s`.

    The gateway has no call that waits for a state of the whole site, so it is asked 20 times a
    second.
    """
    started_s = time.monotonic()
    while not condition():
        check()
        if time.monotonic() - started_s > timeout_s:
            raise SiteError(f"after {timeout_s:g} s it is still not so that {what}")
        time.sleep(0.05)
    return time.monotonic() - started_s


def pss_mb(pid: int) -> float | None:
    """The proportional set size of a process in MiB; None where the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return None
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else None


def die_with(parent: int) -> None:
    """In the child: ask for SIGTERM when the parent is gone, which it may already be."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
