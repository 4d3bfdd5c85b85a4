"""A gateway that does not lead: it looks who does, follows with a ledger of its own, takes over.

    looking ──somebody leads──> following ──in step, and the leader silent──> claiming ──> leads
       └────────────────nobody leads, or we did──────────────────────────────────┘

Every gateway on an external broker begins here; one that is no standby expects to lead and claims
the next turn as soon as it is certain that nobody else does. It comes to lead when its claim is the
next turn in the broker's order (lead.py). One with a past claims only

- on the word of its own ledger: that it leads alone, or that it had won the turn that is retained;
- as the standby in step of the turn that is retained, when the leader is silent;
- when all who are there stand by, have seen the same last turn, and none has more: none of them can
  have led since, and none can lead but by the next turn, of which the broker's order decides.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from atoll.gateway.lead import NOBODY, Register, Seen
from atoll.gateway.pairing import (
    AHEAD_MAX,
    BEAT_S,
    LAG_S,
    LEASE_S,
    NOWHERE,
    SILENCE_S,
    AddCopy,
    BeginCopy,
    Closed,
    Commit,
    Effect,
    EndCopy,
    Event,
    GiveUp,
    Opened,
    Place,
    Publish,
    Said,
    TakeOver,
    Tell,
    alone_mark,
)
from atoll.gateway.rows import RowsError, Unpacker, unpack
from atoll.wire import gateways as wire
from atoll.wire._native import crc32c
from atoll.wire.limits import LEDGER_BATCH_BYTES_MAX, LEDGER_PART_BYTES_MAX

OTHERS_MAX = 16


class Purpose(NamedTuple):
    """What this gateway is to be: `lead` expects to lead, `alone` in any case."""

    lead: bool
    alone: bool = False


class Ours(NamedTuple):
    """What its ledger says: its place (NOWHERE: it never had a pair) and its term; the last turn
    that it knew, whether it led alone then, and whether it led at all: its last batch is its own.
    """

    place: Place
    term: int
    turn: int
    alone: bool = False
    led: bool = False


def ours_of(settings: Mapping[str, int], name: str, term: int) -> Ours:
    """What the settings of a gateway's ledger say, under this term."""
    place = Place(settings.get("place", 0), settings.get("place_term", 0))
    mark = alone_mark(name)
    alone, led = settings.get("alone", 0) == mark, settings.get("led", 0) == mark
    return Ours(place, term, settings.get("turn", 0), alone, led)


class Standby:
    """One gateway until it leads. `first_beat` is higher than those of its earlier processes."""

    def __init__(
        self, register: Register, purpose: Purpose, ours: Ours, version: int, first_beat: int
    ) -> None:
        self._register, self._purpose = register, purpose
        self.place, self._term = ours.place, ours.term
        self._fresh = ours.place == NOWHERE
        self._alone = ours.alone
        self._won_turn = ours.turn if ours.led else 0  # by this gateway, as its ledger says
        register.floor = max(register.floor, ours.turn)
        register.floor_term = max(register.floor_term, ours.place.term)
        self._others: dict[str, tuple[wire.Heard, float]] = {}  # that stand by, heard when
        self._version, self._beat = version, first_beat
        self._now = self._heard_at = self._opened_at = self._beat_at = self._expected = 0.0
        self._leader, self._leader_term = "", 0  # whom we hear
        self._said = ""
        self._batches: dict[int, dict[int, wire.Batch]] = {}
        self._copy: _Taking | None = None
        self._copied = 0  # the last copy of this leader that was taken to its end
        self._won = False
        self._out: list[Any] = []

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event in; what is to be done."""
        self._now = now
        if now - self._expected > LAG_S:
            self._heard_at = now  # the silence was ours
        match event:
            case Opened():
                self._heard_at = self._opened_at = self._beat_at = now
                self._leader, self._leader_term = "", 0
                self._others.clear()  # what they said to a broker that may have forgotten it
                self._out.append(Publish(self._register.opened()))
            case Closed():
                self._register.closed()
                self._abandon_copy()
            case Said(wire.Lead() as lead):
                self._take_lead(lead)
            case Said(wire.Heard() as heard):
                self._take_other(heard)
            case Said(message):
                self._take(message)
        if self.next_wakeup() is not None and now >= self._beat_at:
            self._tick()
        self._expected = max(now, self._beat_at)
        out, self._out = self._out, []
        return out

    def next_wakeup(self) -> float | None:
        """When `Woken` is due."""
        return self._beat_at if self._register.known and not self._won else None

    # --- who leads ---

    def _take_lead(self, lead: wire.Lead) -> None:
        seen = self._register.take(lead)
        if seen is Seen.WON:
            self._won = True  # whoever has won does not say that it stands by
            self._out.append(TakeOver(lead))
        elif seen is Seen.KNOWN:
            self._beat_at = self._now

    def _tick(self) -> None:
        self._beat_at = self._now + BEAT_S
        register = self._register
        if register.wanted is not None:
            self._out.append(Publish(register.wanted, retain=True))
        elif self._may_claim():
            # A term that no gateway of this site has had, as far as anybody here knows.
            term = max(self._term, register.current.term) + 1
            self._out.append(Publish(register.want(term, "", self.place.number), retain=True))
        self._confirm()

    def _silent_s(self) -> float:
        return self._now - max(self._heard_at, self._opened_at)

    def _may_claim(self) -> bool:
        lead, name = self._register.current, self._register.name
        if self._is_outdated() and not self._purpose.alone:
            return False
        if self._register.forgotten and not self._fresh:
            return self._may_recover()
        if lead.leader == name and (self._fresh or self._alone or self._had_won(lead)):
            return True
        if lead.standby == name and self.place.number >= lead.number:
            return self._silent_s() >= LEASE_S
        if self._purpose.alone:
            return self._silent_s() >= LEASE_S
        if not self._fresh and self._may_recover():
            return True
        return self._purpose.lead and self._may_begin(lead)

    def _had_won(self, lead: wire.Lead) -> bool:
        """Whether the own ledger says that a turn of ours was the first of its number: a claim that
        came second may be what is retained.
        """
        return lead.turn <= self._won_turn and lead.term == self.place.term

    def _standing_by(self) -> list[wire.Heard]:
        """What the others have said last that stand by, too."""
        return [heard for heard, at in self._others.values() if self._now - at < SILENCE_S]

    def _is_outdated(self) -> bool:
        """Whether another one that stands by has led, or followed, under a later term than any
        batch here: whatever turn this one had won, it was replaced since.
        """
        return any(heard.number_term > self.place.term for heard in self._standing_by())

    def _may_recover(self) -> bool:
        """Whether one with a past may lead though the register does not say so, as when the broker
        has forgotten who does, or keeps a claim that came too late. Of gateways that all stand by,
        the ledger of the last leader has all that was ever acknowledged: no other has a batch of a
        later term, or as many of the same.
        """
        register = self._register
        if self._purpose.alone:
            return self._silent_s() >= LEASE_S
        if self._leader or self._silent_s() < SILENCE_S:
            return False  # whoever leads says so again
        others = self._standing_by()
        for heard in others:
            theirs, ours = (heard.number_term, heard.number), self.place[::-1]
            if theirs > ours or (theirs == ours and heard.alone):
                text = f"gateway {heard.name} has more than this one, and is to lead"
                self._note("waiting", f"the broker has forgotten who leads; {text}")
                return False
            if heard.turn != register.seen:
                return False  # it may have led, or be about to, by a turn that one of us missed
        return bool(others) or (self._alone and register.forgotten)

    def _may_begin(self, lead: wire.Lead) -> bool:
        """Whether one that expects to lead, and is not said to, may."""
        if lead == NOBODY and not self._leader:
            return True
        if self._leader:
            if self._fresh:
                self._out.append(
                    GiveUp(
                        f"gateway {self._leader} leads this site (term {lead.term}): start this one"
                        " with --standby, or stop that one"
                    )
                )
            return False
        if self._fresh:
            return self._silent_s() >= LEASE_S
        if self._silent_s() >= LEASE_S:
            self._note(
                "waiting",
                f"gateway {lead.leader} leads under term {lead.term} and is not heard; this one may"
                " lack what that has acknowledged: waiting for it (--alone goes on without)",
            )
        return False

    def _note(self, state: str, text: str) -> None:
        if state != self._said:
            self._said = state
            self._out.append(Tell(self._register.name, state, text))

    # --- following ---

    def _take_other(self, heard: wire.Heard) -> None:
        """Another one that does not lead: two, and some more that came by mistake."""
        if not self._register.known or heard.name == self._register.name:
            return
        self._register.heard_of(heard.turn)
        wanted = self._register.wanted
        if wanted is not None and heard.turn >= wanted.turn:
            # Seen before it came back to us. Whoever says that it has seen a turn can lead by a
            # later one only: others count on that.
            self._register.wanted = None
        if heard.name in self._others or len(self._others) < OTHERS_MAX:
            self._others[heard.name] = (heard, self._now)

    def _take(self, message: Any) -> None:
        leads = self._register.current.leader
        if not self._register.known:
            return
        if message.leader == self._register.name or (leads and message.leader != leads):
            return
        if message.term < max(self._register.current.term, self._leader_term, self.place.term):
            return  # of a process that was replaced
        self._heard_at = self._now
        wanted = self._register.wanted
        if wanted is not None and message.term >= wanted.term:
            self._register.wanted = None  # whatever its place in the broker's order: it was passed
        if (self._leader, self._leader_term) != (message.leader, message.term):
            self._leader, self._leader_term = message.leader, message.term
            self._batches.clear()
            self._abandon_copy()
            self._copied = 0
            self._note(
                f"following {message.leader}",
                f"gateway {message.leader} leads under term {message.term}: standing by",
            )
        match message:
            case wire.Beat():
                self._heard_beat(message)
            case wire.Batch():
                self._take_batch(message)
            case wire.Copy():
                self._take_copy(message)

    def _heard_beat(self, beat: wire.Beat) -> None:
        if beat.version != self._version:
            self._out.append(
                GiveUp(
                    f"gateway {beat.leader} has a ledger of version {beat.version}, this one"
                    f" {self._version}: install the same atoll on both"
                )
            )

    def _confirm(self) -> None:
        if self._purpose.lead and self._fresh:
            return  # nobody's standby
        self._beat += 1
        copy, part = (self._copy.number, self._copy.next) if self._copy else (0, 0)
        name, seen = self._register.name, self._register.seen
        self._out.append(
            Publish(
                wire.Heard(
                    name, self._beat, self._version, *self.place, copy, part, seen, self._alone
                )
            )
        )

    # --- batches ---

    def _take_batch(self, batch: wire.Batch) -> None:
        last = self.place.number
        if self._copy is not None or not last < batch.number <= last + AHEAD_MAX:
            return
        most = LEDGER_BATCH_BYTES_MAX // LEDGER_PART_BYTES_MAX
        if not (batch.part < batch.of <= most):
            return
        self._batches.setdefault(batch.number, {})[batch.part] = batch
        done = False
        while self._commit_next():
            done = True
        if done:
            self._confirm()

    def _commit_next(self) -> bool:
        """Commit the batch after the last one, if it is whole and follows it."""
        parts = self._batches.get(self.place.number + 1)
        if not parts:
            return False
        first = next(iter(parts.values()))
        if len(parts) < first.of:
            return False
        del self._batches[first.number]
        data = b"".join(parts[at].data for at in sorted(parts))
        if first.before_term != self.place.term or crc32c(data) != first.crc:
            return False
        try:
            records = unpack(data)
        except RowsError:
            return False
        self._out.append(Commit(records))
        self._alone = False
        self.place = Place(first.number, first.number_term)
        self._term = first.number_term
        return True

    # --- copies ---

    def _take_copy(self, part: wire.Copy) -> None:
        copy = self._copy
        if part.copy <= self._copied or (copy is not None and part.copy < copy.number):
            return  # said again before we were heard: nobody goes on with it
        if copy is None or copy.number != part.copy:
            if part.part != 0:
                return
            self._abandon_copy()
            copy = self._copy = _Taking(part.copy)
            self._batches.clear()
            self._out.append(BeginCopy())
            self._note("copying", f"taking a copy of the ledger of gateway {part.leader}")
        if copy.next <= part.part < copy.next + AHEAD_MAX and crc32c(part.data) == part.crc:
            copy.early[part.part] = part
        taken = False
        while self._copy is copy and copy.next in copy.early:
            self._add_part(copy, copy.early.pop(copy.next))
            taken = True
        if taken:
            self._confirm()

    def _add_part(self, copy: "_Taking", part: wire.Copy) -> None:
        try:
            records = copy.rows.feed(part.data)
            if part.last and not copy.rows.empty:
                raise RowsError("the last record is cut off")
        except RowsError:
            self._abandon_copy()
            return
        copy.next += 1
        self._out.append(AddCopy(records))
        if part.last:
            self._out.append(EndCopy(keep=True))
            self.place = Place(part.number, part.number_term)
            self._term = part.term
            self._fresh = self._alone = False
            self._copied, self._copy = copy.number, None
            self._note("whole", f"the ledger is a copy of gateway {part.leader}'s")

    def _abandon_copy(self) -> None:
        if self._copy is not None:
            self._copy = None
            self._out.append(EndCopy(keep=False))


class _Taking:
    """A copy on its way in."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.next = 0
        self.rows = Unpacker()
        self.early: dict[int, wire.Copy] = {}  # parts that came before those that go before them
