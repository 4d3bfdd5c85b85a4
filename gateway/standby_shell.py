"""The shell of a gateway that does not lead: the standby core on a link and a ledger.

It ends with an outcome: this gateway leads from now on, cannot be what it is to be, is to stop, or
is to begin again since its disk was full.
"""

from collections.abc import Callable
from typing import Any

from atoll.gateway import pairing as pair
from atoll.gateway.errors import GatewayError, LedgerError
from atoll.gateway.feeder import quality_of, topic_of
from atoll.gateway.ledger import Ledger
from atoll.gateway.standby import Standby
from atoll.transport.loop import Loop, Timer
from atoll.transport.port import Incoming, Port
from atoll.wire import gateways as wire
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.topics import Topics

EXPECTED = (wire.Lead, wire.Beat, wire.Batch, wire.Copy, wire.Heard)


class StandbyShell:
    """One standby; `ended` is called once, with `lead` or `error` set, or neither (begin again)."""

    def __init__(
        self,
        loop: Loop,
        link: Port,
        core: Standby,
        ledger: Ledger,
        *,
        topics: Topics,
        say: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop, self._link, self._core, self._ledger = loop, link, core, ledger
        self._topics, self._say, self._ended = topics, say, ended
        self.lead: wire.Lead | None = None
        self.error: GatewayError | None = None
        self.was_up = False
        self.refused = 0
        self._down = False
        self._copying = False
        self._over = False
        self._timer: Timer | None = None
        link.on_up = self._link_up
        link.on_down = self._link_down
        link.on_message = self._received
        link.subscribe(topics.lead, topics.ledger, topics.standby)

    def start(self) -> None:
        """Connect."""
        self._link.start()

    def stop(self, stopped: Callable[[], None]) -> None:
        """Say goodbye, then call `stopped`."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._copying:
            self._ledger.end_replacing(keep=False)
        self._link.close(stopped, drain_s=0.2)

    def _link_up(self) -> None:
        self._down, self.was_up = False, True
        self._handle(pair.Opened())

    def _link_down(self, reason: str) -> None:
        if not self._down:
            self._down = True
            self._say(f"no broker: {reason}; trying again")
        self._handle(pair.Closed())

    def _received(self, incoming: Incoming) -> None:
        try:
            message = pair.believable(decode(incoming.payload, allowed=EXPECTED))
        except WireError:
            self.refused += 1
            return
        self._handle(pair.Said(message, incoming.retained))

    def _woken(self) -> None:
        self._handle(pair.Woken())

    def _handle(self, event: pair.Event) -> None:
        if self._over:
            return
        try:
            for effect in self._core.handle(event, self._loop.now()):
                self._carry_out(effect)
        except LedgerError as error:
            self._copying = False  # the failure has rolled it back
            if error.fatal:
                self.error = error
            else:
                self._say(f"{error}; the leader goes on alone until it can")
            self._end()
        if not self._over:
            self._arm()

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case pair.Publish(message, retain):
                self._link.publish(
                    topic_of(self._topics, message),
                    encode(message),
                    purpose="gateway",
                    retain=retain,
                    qos=quality_of(message),
                )
            case pair.Commit(records):
                self._ledger.commit(records)
            case pair.BeginCopy():
                self._ledger.begin_replacing()
                self._copying = True
            case pair.AddCopy(records):
                self._ledger.add(records)
            case pair.EndCopy(keep):
                self._copying = False
                self._ledger.end_replacing(keep=keep)
            case pair.Tell(_, _, text):
                self._say(text)
            case pair.TakeOver(lead):
                self.lead = lead
                self._end()
            case pair.GiveUp(reason):
                self.error = GatewayError(reason)
                self._end()

    def _end(self) -> None:
        if not self._over:
            self.stop(self._ended)

    def _arm(self) -> None:
        due = self._core.next_wakeup()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._woken)
