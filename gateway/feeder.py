"""The shell of a leader's feed: publishes for it, reads copies of the ledger, holds back effects.

What the site's core has decided is held here until both ledgers have it. A lease that is granted
again may pass by: it tells a device nothing new, and devices must not lose theirs to a standby that
is slow. It waits behind whatever else that device is still to be told.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

from atoll.gateway import effects as do
from atoll.gateway import feed
from atoll.gateway import pairing as pair
from atoll.gateway.feed import Feed
from atoll.gateway.ledger import Ledger
from atoll.gateway.rows import pack
from atoll.transport.loop import Loop, Timer
from atoll.transport.port import Incoming
from atoll.wire import gateways as wire
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.limits import LEDGER_PART_BYTES_MAX
from atoll.wire.topics import Topics

Send = Callable[[str, bytes, str, bool, int], None]
EXPECTED = {"lead": (wire.Lead,), "standby": (wire.Heard,)}


def topic_of(topics: Topics, message: pair.Message) -> str:
    """Where a message of gateways is said."""
    if isinstance(message, wire.Lead):
        return topics.lead
    return topics.standby if isinstance(message, wire.Heard) else topics.ledger


def quality_of(message: pair.Message) -> int:
    """Batches and copies arrive. Beats are now or never, and so is who leads: a claim that a link
    kept for its next session would come after turns that it knows nothing of.
    """
    return 1 if isinstance(message, wire.Batch | wire.Copy) else 0


class Feeder:
    """One `Feed` on the gateway's loop, link and ledger; the shell sets the calls."""

    def __init__(self, loop: Loop, ledger: Ledger, feed: Feed, topics: Topics) -> None:
        self._loop, self._ledger, self.feed, self._topics = loop, ledger, feed, topics
        self.send: Send = lambda *_: None
        self.carry_out: Callable[[list[do.Effect]], None] = lambda effects: None
        self.say: Callable[[str], None] = lambda text: None
        self.ready: Callable[[], None] = lambda: None
        self.told: Callable[[str, dict[str, Any]], None] = lambda text, standby: None
        self.step_down: Callable[[wire.Lead], None] = lambda lead: None
        self.stamp_wanted: Callable[[], None] = lambda: None
        self.refused = 0
        self._held: deque[tuple[int, list[do.Effect]]] = deque()
        self._waiting: Counter[str] = Counter()  # devices that are still to be told something
        self._released = -1
        self._copy: Iterator[bytes] | None = None
        self._timer: Timer | None = None
        self._over = False

    def topics(self) -> tuple[str, ...]:
        """What is to be subscribed to, before anything else."""
        return self._topics.lead, self._topics.standby

    # --- in ---

    def opened(self) -> None:
        """The session stands."""
        self._handle(pair.Opened())

    def closed(self) -> None:
        """The session is over."""
        self._copy = None
        self._handle(pair.Closed())

    def takes(self, incoming: Incoming) -> bool:
        """Take a message of gateways; False if it is none."""
        if incoming.topic not in self.topics():
            return False
        leaf = incoming.topic.rpartition("/")[2]
        try:
            message = pair.believable(decode(incoming.payload, allowed=EXPECTED[leaf]))
        except WireError:
            self.refused += 1
        else:
            self._handle(pair.Said(message, incoming.retained))
        return True

    def stamp(self) -> list[Any]:
        """What the next commit must hold besides its records."""
        return self.feed.stamp()

    def committed(self, records: list[Any]) -> None:
        """A commit is on the disk."""
        if self.feed.place is not None:
            self._handle(pair.Committed(pack(records)))

    def hold(self, effects: list[do.Effect]) -> None:
        """Carry effects out, once both ledgers have what they stand on."""
        number = self.feed.place.number if self.feed.place else 0
        free = not self.feed.holding or (number <= self._released and not self.feed.doubtful)
        if free and not self._held:
            self.carry_out(effects)
            return
        self._held.append((number, [effect for effect in effects if not self._passes(effect)]))

    def _passes(self, effect: do.Effect) -> bool:
        if type(effect) is not do.Tell:
            return False
        if effect.leaf == "lease" and not self._waiting[effect.device]:
            self.carry_out([effect])
            return True
        self._waiting[effect.device] += 1
        return False

    # --- the core ---

    def _handle(self, event: pair.Event) -> None:
        if self._over:
            return
        for effect in self.feed.handle(event, self._loop.now()):
            self._carry_out(effect)
        self._arm()

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case pair.Publish(message, retain):
                topic = topic_of(self._topics, message)
                self.send(topic, encode(message), "gateway", retain, quality_of(message))
            case pair.Release(number):
                self._release(number)
            case pair.Ready():
                self.ready()
            case pair.Stamp():
                self.stamp_wanted()
            case pair.ReadCopy(copy):
                self._copy = _pieces(self._ledger)
                self._read(copy)
            case pair.ReadMore(copy):
                self._read(copy)
            case pair.Tell(_, feed.WAITING, text):
                self.say(text)  # all else waits with the leader
            case pair.Tell(_, _, text):
                self.told(text, self.feed.listing())
            case pair.StepDown(lead):
                self._over = True
                self._held.clear()
                self.step_down(lead)

    def _release(self, number: int) -> None:
        self._released = max(self._released, number)
        while self._held and self._held[0][0] <= number:
            _, effects = self._held.popleft()
            for effect in effects:
                if type(effect) is do.Tell:
                    self._waiting[effect.device] -= 1
                    if not self._waiting[effect.device]:
                        del self._waiting[effect.device]
            self.carry_out(effects)

    def _read(self, copy: int) -> None:
        """One piece now: its first row fixes what the copy is a copy of."""
        if self._copy is None:
            return
        piece = next(self._copy, b"")
        last = len(piece) < LEDGER_PART_BYTES_MAX
        if last:
            self._copy = None
        self._loop.post(self._handle, pair.CopyRead(copy, piece, last))

    def _arm(self) -> None:
        due = self.feed.next_wakeup()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._over:
            self._timer = self._loop.call_at(due, self._handle, pair.Woken())


def _pieces(ledger: Ledger) -> Iterator[bytes]:
    """The ledger packed, in pieces of one size; the last is shorter, if need be empty."""
    rest = bytearray()
    for record in ledger.read_all():
        rest += pack([record])
        while len(rest) >= LEDGER_PART_BYTES_MAX:
            yield bytes(rest[:LEDGER_PART_BYTES_MAX])
            del rest[:LEDGER_PART_BYTES_MAX]
    yield bytes(rest)
