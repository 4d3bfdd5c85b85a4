"""`atoll ledger rebuild`: a new ledger from what the site's devices have stored themselves.

Runs in the gateway's place: under its lock, with its broker, or on the one that is given. Nothing
of the old ledger is touched before the new one is whole on the disk; it is kept beside it then,
under another name.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

from atoll.gateway import effects as do
from atoll.gateway import events as on
from atoll.gateway.assemblers import Assemblers
from atoll.gateway.brought import own_address, own_broker
from atoll.gateway.config import Config
from atoll.gateway.core import first_term
from atoll.gateway.core_survey import Survey, Told
from atoll.gateway.enrolment import GATEWAY, Enrolment
from atoll.gateway.errors import GatewayError, LedgerError
from atoll.gateway.ledger import Ledger, lock_state
from atoll.gateway.ledger_check import check_ledger
from atoll.gateway.rebuilt import Rebuilt, rebuilt
from atoll.transport.link import Link
from atoll.transport.loop import Loop, Timer
from atoll.transport.port import Incoming, Session
from atoll.transport.url import Broker
from atoll.wire import messages as wire
from atoll.wire.codec import encode
from atoll.wire.errors import WireError
from atoll.wire.status import decode_status
from atoll.wire.topics import Topics

SAID: dict[str, tuple[type, ...]] = {
    "birth": (wire.Birth,),
    "lease": (wire.LeaseRequest,),
    "block": (wire.Held, wire.Memory, wire.Part),
}
FIRST_CONNECTION_S = 15.0


class NotReached(GatewayError):
    """The broker never answered."""

    exit_code = 4


class Wanted(NamedTuple):
    """What is asked for: so many devices are waited for (0: until nobody new comes), for so long;
    whether a whole ledger may be replaced.
    """

    devices: int
    wait_s: float
    force: bool


class Outcome(NamedTuple):
    """What came of it; `kept` is where the ledger of before lies now, None if there was none."""

    path: Path
    kept: Path | None
    rebuilt: Rebuilt


def rebuild(config: Config, wanted: Wanted, say: Callable[[str], None]) -> Outcome:
    """Rebuild the ledger of a state directory. GatewayError: nothing has changed then."""
    lock = lock_state(config.state)
    try:
        report = check_ledger(config.state)
        if report.whole and not wanted.force:
            raise LedgerError(
                f"ledger {report.path} is whole: atoll gateway can go on with it;"
                " --force rebuilds it nevertheless"
            )
        enrolment = Enrolment(config.state / "access", config.site)
        child = None
        brokers = config.brokers
        if not brokers:
            child = own_broker(config, enrolment)
            brokers = [own_address(child, enrolment)]
        try:
            asking = _Asking(config.site, brokers, wanted, _term_hint(report.path), say)
            asking.run()
        finally:
            if child is not None:
                child.stop()
        if not asking.survey.answered:
            raise GatewayError(
                "no device answered; start them, and give --wait longer if they need time"
            )
        found = rebuilt(
            asking.survey.answered, asking.survey.silent, term=asking.survey.term,
            seed=int.from_bytes(os.urandom(4), "little"), wall_ms=_wall_ms(),
        )  # fmt: skip
        return Outcome(report.path, write(config.state, found), found)
    finally:
        os.close(lock)


def write(state: Path, found: Rebuilt) -> Path | None:
    """Put a rebuilt ledger in its place in one step; where the old one is kept."""
    folder = state / "rebuild"
    path = folder / "ledger.sqlite"
    for leftover in folder.glob("ledger.sqlite*"):
        leftover.unlink()
    fresh = Ledger(folder)
    try:
        fresh.commit(found.records)
        fresh.verify()
    finally:
        fresh.close()
    report = check_ledger(folder)
    if not report.whole:
        raise LedgerError(f"the rebuilt ledger is not whole: {report.findings[0]}")
    kept = _set_aside(state)
    os.replace(path, state / "ledger.sqlite")
    _sync(state)
    rmtree(folder)
    return kept


def _set_aside(state: Path) -> Path | None:
    """Keep the old ledger under another name; it stays in its place until the new one takes it."""
    old = state / "ledger.sqlite"
    if not old.exists():
        for tail in ("-wal", "-shm"):
            (state / f"ledger.sqlite{tail}").unlink(missing_ok=True)
        return None
    stamp = time.strftime("%Y%m%d-%H%M%S")
    kept = state / f"ledger-before-{stamp}.sqlite"
    kept.unlink(missing_ok=True)
    os.link(old, kept)
    log = state / "ledger.sqlite-wal"
    if log.exists():  # it belongs to the old file and must not be read into the new one
        log.rename(f"{kept}-wal")
    (state / "ledger.sqlite-shm").unlink(missing_ok=True)
    _sync(state)
    return kept


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _term_hint(path: Path) -> int:
    """The term that a damaged ledger still tells, if it does: only a hint."""
    try:
        db = sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)
        try:
            row = db.execute("SELECT value FROM setting WHERE name = 'term'").fetchone()
        finally:
            db.close()
    except (sqlite3.Error, UnicodeDecodeError):
        return 0
    value = row[0] if row else 0
    return value if type(value) is int and 0 <= value < 2**31 else 0


class _Asking:
    """A survey on a loop and a link."""

    def __init__(
        self,
        site: str,
        brokers: list[Broker],
        wanted: Wanted,
        term: int,
        say: Callable[[str], None],
    ) -> None:
        self._loop = Loop()
        self._topics = Topics(site)
        self._say = say
        self._wanted = wanted
        self.survey = Survey(
            max(first_term(_wall_ms()), term) + 1, least=wanted.devices, most_s=wanted.wait_s,
            now=self._loop.now(),
        )  # fmt: skip
        self.survey.news = self._news
        self._assemblers = Assemblers()
        self._brokers = brokers
        name = GATEWAY if brokers[0].username == GATEWAY else f"atoll-rebuild-{site}"
        self._link = link = Link(self._loop, brokers, Session(name))
        self._was_up = False
        self._failed: GatewayError | None = None
        self._timer: Timer | None = None
        link.on_up = self._up
        link.on_down = lambda reason: self._handle(on.LinkLost())
        link.on_message = self._received
        link.subscribe(self._topics.all_up, self._topics.gateway_status)

    def run(self) -> None:
        """Ask until everybody has answered or the time is over. Raises GatewayError."""
        self._say(f"asking the devices, for {self._wanted.wait_s:g} s at most")
        self._loop.call_later(FIRST_CONNECTION_S, self._check_connected)
        self._link.start()
        self._handle(on.Woken(_wall_ms()))
        try:
            self._loop.run()
            closed: list[bool] = []
            self._link.close(lambda: closed.append(True))
            self._loop.run_until(lambda: bool(closed), 2.0)
        finally:
            self._loop.close()
        if self._failed is not None:
            raise self._failed

    def _check_connected(self) -> None:
        if not self._was_up:
            urls = ", ".join(broker.url for broker in self._brokers)
            self._failed = NotReached(f"no broker answers at {urls}")
            self._loop.stop()

    def _up(self) -> None:
        self._was_up = True
        self._handle(on.LinkOpened(_wall_ms()))

    def _news(self, told: Told) -> None:
        known = max(len(self.survey.devices), self._wanted.devices)
        self._say(
            f"{told.name}: {len(told.streams)} streams, {told.blocks} blocks"
            f" ({len(self.survey.answered)} of {known} devices)"
        )

    def _received(self, incoming: Incoming) -> None:
        try:
            event = self._event(incoming)
        except WireError as error:
            event = on.InputRefused(str(getattr(error, "reason", "malformed")))
        if event is not None:
            self._handle(event)

    def _event(self, incoming: Incoming) -> on.Event | None:
        if incoming.topic == self._topics.gateway_status:
            _, boot, *_ = decode_status(incoming.payload)
            self.survey.term = max(self.survey.term, boot + 1)  # a hint: it may be anybody's
            return None
        address = self._topics.parse(incoming.topic)
        if address.kind != "up" or not incoming.payload:
            return None
        if address.leaf == "status":
            state, boot, *_ = decode_status(incoming.payload)
            return on.StatusSeen(address.name, state, boot, _wall_ms())
        if address.leaf not in SAID or (incoming.retained and address.leaf != "birth"):
            return None
        allowed = SAID[address.leaf]
        message = self._assemblers.message(f"up/{address.name}", incoming.payload, allowed)
        return message and on.DeviceSpoke(address.name, message, _wall_ms())

    def _handle(self, event: on.Event) -> None:
        now = self._loop.now()
        for effect in self.survey.handle(event, now):
            self._send(effect)
        if self.survey.done(now):
            self._loop.stop()
            return
        if self._timer is not None:
            self._timer.cancel()
        due = self.survey.next_wakeup(now)
        self._timer = self._loop.call_at(due, self._handle, on.Woken(_wall_ms()))

    def _send(self, effect: Any) -> None:
        if isinstance(effect, do.Tell):
            topic = self._topics.down(effect.device, effect.leaf)
            self._link.publish(topic, encode(effect.message), purpose=effect.leaf)


def _wall_ms() -> int:
    return int(time.time() * 1000)
