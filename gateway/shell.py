"""The gateway's shell: carries the core's effects out, over MQTT and SQLite.

What came in within one turn of the loop is handled first; then one transaction writes all records
of the turn (group commit), and only then is anything published, in order. While the ledger cannot
be written (disk full) nothing is published and what comes in is dropped: every sender says it
again until it is answered. Nothing here decides anything about the site.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from atoll.gateway import effects as do
from atoll.gateway import events as on
from atoll.gateway.assemblers import Assemblers
from atoll.gateway.core import GatewayCore
from atoll.gateway.desk import error_body
from atoll.gateway.enrolment import Enrolment
from atoll.gateway.errors import GatewayError, LedgerError
from atoll.gateway.feeder import Feeder
from atoll.gateway.ledger import Ledger
from atoll.transport.loop import Loop, Timer
from atoll.transport.port import Incoming, Port
from atoll.wire import messages as wire
from atoll.wire.codec import encode, split
from atoll.wire.errors import EncodeError, WireError
from atoll.wire.gateways import Lead
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.status import GATEWAY_STATES, Status, decode_status, encode_event, encode_status
from atoll.wire.topics import Topics

# Messages that the link had no room for. What does not fit is dropped and said again by the
# protocol: puts, tasks and copies are all sent until they are answered.
OUTGOING_MAX = 16_384
OUTGOING_BYTES_MAX = 32 * 1_048_576
LEDGER_RETRY_S = 1.0

SAID = {
    "birth": (wire.Birth,),
    "lease": (wire.LeaseRequest, wire.Credential),
    "partial": (wire.Partials, wire.Part),
    "block": (wire.Held, wire.LetGo, wire.Stored, wire.TransferFailed, wire.Blocks, wire.Part),
}
ASKED = (wire.Put, wire.Run, wire.Start, wire.Get, wire.Command, wire.Part)


class Shell:
    """One core, one link, one ledger, on a loop."""

    def __init__(
        self,
        loop: Loop,
        link: Port,
        core: GatewayCore,
        ledger: Ledger,
        *,
        topics: Topics,
        say: Callable[[str], None] = lambda line: None,
        feeder: Feeder | None = None,
    ) -> None:
        """`feeder`: on an external broker, where a standby may be fed."""
        self._loop = loop
        self._link = link
        self._core = core
        self._ledger = ledger
        self._topics = topics
        self._say = say
        self.enrolment: Enrolment | None = None
        self.access_changed: Callable[[], None] = lambda: None
        self.error: GatewayError | None = None
        self._records: list[Any] = []
        self._effects: list[do.Effect] = []
        self._flushing = False
        self._stuck = False
        self._trouble = ""  # why, while and after it is
        self._timer: Timer | None = None
        self._outgoing: deque[tuple[str, bytes, str, bool]] = deque()
        self._outgoing_bytes = 0
        self._assemblers = Assemblers()
        self._down = False
        self.was_up = False
        link.on_up = self._link_up
        link.on_down = self._link_down
        link.on_message = self._received
        link.on_writable = self._drain
        link.on_behind = self._behind
        self.replaced: Lead | None = None
        self._stamp_wanted = False
        self._feeder = feeder
        if feeder is not None:
            self._feed_by(feeder)
        link.subscribe(topics.all_up, topics.all_requests)

    def _feed_by(self, feeder: Feeder) -> None:
        self._link.subscribe(*feeder.topics(), self._topics.gateway_status)
        feeder.send = self._send
        feeder.say = self._say
        feeder.carry_out = self._carry_out_all
        feeder.ready = lambda: self._handle(on.LinkOpened(_wall_ms()))
        feeder.told = lambda text, standby: self._handle(
            on.StandbyChanged(text, standby, _wall_ms())
        )
        feeder.stamp_wanted = self._want_stamp
        feeder.step_down = self._step_down

    def start(self, first: list[do.Effect]) -> None:
        """Commit what the restored core begins with, and connect."""
        self._collect(first)
        self._flush()
        self._link.start()

    def _want_stamp(self) -> None:
        self._stamp_wanted = True
        self._flush_soon()

    def _step_down(self, lead: Lead) -> None:
        """Another gateway leads: not a word more, and what waited is not said."""
        self.replaced = lead
        self._records, self._effects = [], []
        self._outgoing.clear()
        if self._timer is not None:
            self._timer.cancel()
        self._link.close(self._loop.stop, drain_s=0.0)

    def stop(self, stopped: Callable[[], None]) -> None:
        """Say that the gateway ends, send what is queued, then call `stopped`."""
        if self.replaced is not None:
            return
        self._handle(on.Stopping(_wall_ms()))
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        self._link.close(stopped)

    # --- in ---

    def _link_up(self) -> None:
        self._down, self.was_up = False, True
        if self._feeder is not None:
            self._feeder.opened()  # it says when it is certain that this gateway leads
        else:
            self._handle(on.LinkOpened(_wall_ms()))

    def _link_down(self, reason: str) -> None:
        if not self._down:
            self._down = True
            self._say(f"no broker: {reason}; trying again")
        if self._feeder is not None:
            self._feeder.closed()
        self._handle(on.LinkLost())

    def _behind(self, behind: bool) -> None:
        self._handle(on.FellBehind(_wall_ms()) if behind else on.CaughtUp(_wall_ms()))

    def _received(self, incoming: Incoming) -> None:
        if self._feeder is not None and self._feeder.takes(incoming):
            return
        if self._stuck:
            return
        try:
            event = self._event(incoming)
        except WireError as error:
            event = on.InputRefused(str(getattr(error, "reason", "malformed")))
        if event is not None:
            self._handle(event)

    def _event(self, incoming: Incoming) -> on.Event | None:
        address = self._topics.parse(incoming.topic)
        if address.kind == "gateway":
            self._mend_status(incoming.payload)
            return None
        if address.kind == "client":
            message = self._message(f"client/{address.name}", incoming.payload, ASKED)
            return message and on.ClientAsked(address.name, message, _wall_ms())
        if address.kind != "up" or not incoming.payload:
            return None
        if address.leaf == "health":
            return None
        if address.leaf == "status":
            state, boot, _, sleep_s, wake_ms = decode_status(incoming.payload)
            return on.StatusSeen(address.name, state, boot, _wall_ms(), sleep_s, wake_ms)
        if incoming.retained and address.leaf != "birth":
            return on.InputRefused("retained")
        message = self._message(f"up/{address.name}", incoming.payload, SAID[address.leaf])
        if isinstance(message, wire.Credential):
            self._exchange(address.name, message)
            return None
        return message and on.DeviceSpoke(address.name, message, _wall_ms())

    def _mend_status(self, payload: bytes) -> None:
        """The last will of a gateway before this one came late: say again who is here."""
        status, core = decode_status(payload, GATEWAY_STATES), self._core
        late = status.boot < core.term or (status.boot == core.term and status.state == "lost")
        if self._link.up and late:
            self._effects.append(do.ShowStatus("ready", core.term, core.epoch))
            self._flush_soon()

    def _message(self, sender: str, payload: bytes, allowed: tuple[type, ...]) -> Any:
        return self._assemblers.message(sender, payload, allowed)

    def _exchange(self, device: str, credential: wire.Credential) -> None:
        if self.enrolment is not None and self.enrolment.exchange(
            device, credential.verifier, _wall_ms()
        ):
            self._say(f"{device} has made its own secret; its token is used up")
            self.access_changed()
        else:
            self._handle(on.InputRefused("credential"))

    # --- the core ---

    def _handle(self, event: on.Event) -> None:
        if self.replaced is not None:
            return
        self._collect(self._core.handle(event, self._loop.now()))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.post(self._flush)

    def _collect(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            if isinstance(effect, do.Commit):
                self._records += effect.records
            else:
                self._effects.append(effect)

    def _flush(self) -> None:
        """Commit the turn's records, then carry its other effects out."""
        self._flushing = False
        if self.replaced is not None:
            return
        stamp = self._feeder.stamp() if self._feeder is not None else []
        batch = self._records + stamp if self._records or self._stamp_due(stamp) else []
        if batch:
            try:
                self._ledger.commit(batch)
            except LedgerError as error:
                self._ledger_failed(error)
                return
            self._records = []
        if self._stuck:
            self._stuck = False
            text = f"the ledger can be written again; it could not: {self._trouble}"
            self._effects.append(do.ShowEvent("ledger", text, {}, _wall_ms()))
        effects, self._effects = self._effects, []
        if self._feeder is None:
            self._carry_out_all(effects)
        else:
            if batch:
                self._feeder.committed(batch)
            self._feeder.hold(effects)
        self._arm()

    def _stamp_due(self, stamp: list[Any]) -> bool:
        """Whether a standby waits for the ledger to have a place."""
        due, self._stamp_wanted = self._stamp_wanted and bool(stamp), False
        return due

    def _carry_out_all(self, effects: list[do.Effect]) -> None:
        for effect in effects:
            try:
                self._carry_out(effect)
            except EncodeError as error:
                self._say(f"a message could not be sent: {error}")
                if isinstance(effect, do.Answer):
                    body = error_body(f"the answer is larger than a message may be: {error}")
                    failed = wire.Reply(effect.message.request, wire.FAILED, body, b"")
                    self._carry_out(do.Answer(effect.client, failed))

    def _ledger_failed(self, error: LedgerError) -> None:
        if error.fatal:
            self.error = error
            self._loop.stop()
            return
        if not self._stuck:
            self._stuck = True
            self._trouble = str(error)
            self._say(f"{error}; nothing is acknowledged until it can be written")
        self._flushing = True
        self._loop.call_later(LEDGER_RETRY_S, self._flush)

    def _arm(self) -> None:
        due = self._core.next_wakeup()
        if self._timer is not None:
            if due is not None and self._timer.callback is not None and self._timer.when <= due:
                return  # it comes earlier anyway, and is armed anew then
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._woken)

    def _woken(self) -> None:
        self._timer = None
        if self._stuck:
            return
        self._handle(on.Woken(_wall_ms()))

    # --- out ---

    def _carry_out(self, effect: do.Effect) -> None:
        topics = self._topics
        match effect:
            case do.Tell(device, leaf, message, retain):
                member = self._core.members.members.get(device)
                limit = member.row.message_max if member is not None else 0
                limit = min(limit or MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX)
                topic, data = topics.down(device, leaf), encode(message)
                if leaf == "lease" and not self._outgoing and not self._link.unsent:
                    # Asked for again if it is lost. At QoS 1 its acknowledgement would be a quarter
                    # of what an idle device sends, and of two leases under way the second would
                    # have one because of the first. Behind what waits it keeps its place.
                    self._link.publish(topic, data, purpose=leaf, qos=0)
                else:
                    self._publish(topic, data, leaf, retain, limit)
            case do.Answer(client, message):
                self._publish(topics.reply(client), encode(message), "reply")
            case do.ShowEvent(kind, text, fields, wall_ms):
                self._say(text)
                line = encode_event(kind, text, at_ms=wall_ms, **fields)
                self._publish(topics.event, line, "event")
            case do.ShowResult(job, text):
                self._publish_one(topics.result(job), text.encode(), "result", retain=True)
            case do.ShowStatus(state, boot, epoch):
                status = encode_status(Status(state, boot, epoch))
                self._publish(topics.gateway_status, status, "status", True)
            case do.ForgetDevice(device):
                self._forget(device)

    def _forget(self, device: str) -> None:
        for topic in (
            self._topics.up(device, "status"),
            self._topics.up(device, "birth"),
            self._topics.down(device, "map"),
        ):
            self._publish_one(topic, b"", "forget", retain=True)
        if self.enrolment is not None and self.enrolment.forget(device):
            self.access_changed()

    def _publish(
        self,
        topic: str,
        payload: bytes,
        purpose: str,
        retain: bool = False,
        limit: int = MESSAGE_BYTES_MAX,
    ) -> None:
        if len(payload) <= limit:
            self._publish_one(topic, payload, purpose, retain=retain)
            return
        for part in split(payload, os.urandom(16), limit):
            # Parts of a retained message would each replace the one before: they are sent only.
            self._publish_one(topic, part, purpose, retain=False)

    def _send(self, topic: str, payload: bytes, purpose: str, retain: bool, qos: int) -> None:
        """Of gateways: what has no room is dropped, and said again until it is heard."""
        self._link.publish(topic, payload, purpose=purpose, retain=retain, qos=qos)

    def _publish_one(self, topic: str, payload: bytes, purpose: str, *, retain: bool) -> None:
        if self._outgoing or not self._link.publish(topic, payload, purpose=purpose, retain=retain):
            self._outgoing.append((topic, payload, purpose, retain))
            self._outgoing_bytes += len(payload)
            while len(self._outgoing) > OUTGOING_MAX or self._outgoing_bytes > OUTGOING_BYTES_MAX:
                self._outgoing_bytes -= len(self._outgoing.popleft()[1])
                self._handle(on.InputRefused("outgoing full"))

    def _drain(self) -> None:
        while self._outgoing:
            topic, payload, purpose, retain = self._outgoing[0]
            if not self._link.publish(topic, payload, purpose=purpose, retain=retain):
                return
            self._outgoing.popleft()
            self._outgoing_bytes -= len(payload)


def _wall_ms() -> int:
    return int(time.time() * 1000)


def say(line: str) -> None:
    """One line for the person at the terminal or the journal."""
    print(line, file=sys.stdout, flush=True)
