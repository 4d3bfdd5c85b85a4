"""A site that is killed piece by piece: a gateway, devices, and a broker with a store on disk.

Each process is a real one with its own folder, started again on what it left behind. The broker is
mosquitto with its persistence on, saved once a second: after a kill it is back with a store that
may be a second old, or with none.
"""

import shutil
import socket
from pathlib import Path
from re import compile as pattern

from crash_watch import Watch

from atoll.cli.site import START_TIMEOUT_S, Child, LocalSite
from atoll.gateway.broker import find_mosquitto

SITE = "crash"
LIVE_RATE_HZ = 2_000
BACK_S = 60.0  # a process that is not back in this time does not come
_CONFIG = """\
listener {port} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {store}/
autosave_interval 1
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 100000
max_queued_bytes 67108864
max_qos 1
connection_messages false
log_type error
log_type warning
log_type notice
log_type information
log_dest stderr
"""


class Broker:
    """mosquitto on a port and a store of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"mqtt://127.0.0.1:{port}"
        self._log = folder / "broker.log"
        self._store = folder / "broker"
        self._store.mkdir(parents=True)
        self._config = folder / "mosquitto.conf"
        self._config.write_text(_CONFIG.format(port=port, store=self._store))
        program = find_mosquitto()
        if program is None:
            raise SystemExit("crash: mosquitto is not installed: apt-get install mosquitto")
        self._program = program
        self.child: Child | None = None

    def start(self) -> Child:
        """Start it; returns when it listens."""
        words = ["-c", str(self._config)]
        self.child = Child("broker", words, self._log, program=[self._program])
        self.child.wait_for(pattern("mosquitto version .* running"), START_TIMEOUT_S)
        return self.child

    def forget(self) -> None:
        """Lose its disk."""
        shutil.rmtree(self._store)
        self._store.mkdir()

    def stop(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.terminate()
            self.child.end()


class CrashSite:
    """The processes by name, killed and started again. A context manager."""

    def __init__(self, folder: Path, devices: int, live: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.broker = Broker(folder)
        self.local = LocalSite(folder, site=SITE, broker=self.broker.url)
        self.names = [f"device-{number}" for number in range(1, devices + 1)]
        self._source = f"live=file:{live}@{LIVE_RATE_HZ},loop"

    def __enter__(self) -> "CrashSite":
        try:
            self.broker.start()
            self.local.start_gateway()
            for name in self.names:
                self.start(name)
            self.local.wait_ready(len(self.names))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.local.stop()
        self.broker.stop()

    def child(self, name: str) -> Child:
        """A process by its name."""
        found = {"broker": self.broker.child, "gateway": self.local.gateway, **self.local.devices}
        child = found[name]
        assert child is not None
        return child

    def dead(self) -> list[str]:
        """Processes that ended by themselves, each with its last words."""
        children = [self.child(name) for name in ("broker", "gateway", *self.names)]
        return [f"{one.name} ended: {one.tail()}" for one in children if not one.alive()]

    def start(self, name: str) -> None:
        """Start a process on what it left behind; from the main thread (see LocalSite)."""
        if name == "broker":
            self.broker.start()
        elif name == "gateway":
            self.local.start_gateway(wait=False)
        else:
            self.local.start_device(name, [self._source] if name == self.names[0] else [])

    def end_sampler(self) -> None:
        """End the device that samples, in order."""
        child = self.child(self.names[0])
        child.terminate()
        child.end()

    def start_without_source(self) -> None:
        """Start it again; it samples no more."""
        self.local.start_device(self.names[0])

    def back(self, name: str, watch: Watch, boot: int) -> bool:
        """Wait until a process that was started again is ready; `boot`: what was before."""
        if name == "broker":
            return True
        return watch.wait_ready("" if name == "gateway" else name, boot, BACK_S)
