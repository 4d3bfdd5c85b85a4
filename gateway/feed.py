"""The leader's side of a pair of gateways: its standby's ledger is fed with every batch it commits.

    alone ──a standby is heard──> catching up ──nearly there──> in step
      ^                                │                            │
      └──────silent for 5 s────────────┴────────────────────────────┘

In step, nothing is said to devices and clients before both ledgers have it: `holding`, and
`Release` when the standby says so. The way back to alone is a turn of the register, so that it
counts only if the standby has not taken over before; the standby hears of it and does not take over
before it has caught up. A standby whose place is not one of the batches kept here gets a copy of
the whole ledger first. Lost messages are said again; a batch is one transaction there as here.

A ledger that never had a standby has no place, and its gateway pays nothing for one.
"""

from typing import Any

from atoll.gateway.copying import Copying
from atoll.gateway.kept import Batch, Kept
from atoll.gateway.lead import Register, Seen
from atoll.gateway.pairing import (
    AGAIN_S,
    BEAT_S,
    LAG_S,
    NOWHERE,
    SILENCE_S,
    Closed,
    Committed,
    CopyRead,
    Effect,
    Event,
    Opened,
    Place,
    Publish,
    ReadCopy,
    Ready,
    Release,
    Said,
    Stamp,
    StepDown,
    Tell,
    Woken,
    alone_mark,
)
from atoll.gateway.records import Record, SettingSet
from atoll.wire import gateways as wire
from atoll.wire._native import crc32c
from atoll.wire.limits import LEDGER_PART_BYTES_MAX

ALONE, CATCHING, PAIRED = "none", "catching up", "in step"
WAITING = "waiting"  # the leader, for a standby that may have taken over
# A standby this close is in step: what it lacks is on its way, and no more comes unconfirmed.
NEAR_BATCHES = 64
# Unconfirmed at a time: more would only wait in the broker.
UNDER_WAY_BYTES = 1_048_576
# Batches kept for a standby that is catching up, and for one that is away: it is given a copy then.
KEPT_BYTES_MAX, KEPT_AWAY_BYTES_MAX = 64 * 1_048_576, 4 * 1_048_576


class _Standby:
    """The other gateway, as far as it was heard."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.place: Place | None = None
        self.beat = 0
        self.next = 0  # the batch to be sent next
        self.copy: Copying | None = None


class Feed:
    """One leader under one term. `place` is that of its ledger; None: it has none."""

    def __init__(self, register: Register, term: int, place: Place | None, version: int) -> None:
        self._register = register
        self._term, self._version = term, version
        self.place = place
        self.mode = ALONE
        self._standby: _Standby | None = None
        self._kept = Kept()
        self._copies = 0
        self._paired_from = 0  # our ledger says that we are not alone from this batch on
        self._now = 0.0
        self._heard_at = self._gained_at = self._said_again_at = 0.0
        self._beat_at = self._expected = 0.0
        self._overwritten = False  # what is retained is not our turn
        self._hears = False  # since it last said again what it wants
        self.doubtful = False  # the standby may have taken over: the broker cannot tell
        self._strangers: set[str] = set()
        self._out: list[Any] = []

    @property
    def holding(self) -> bool:
        """Whether what is decided now has to wait for the standby."""
        return self.mode == PAIRED

    def stamp(self) -> list[Record]:
        """What the next commit must hold besides its records."""
        if self.place is None:
            return []
        return [
            SettingSet("place", self.place.number + 1),
            SettingSet("place_term", self._term),
            SettingSet("turn", self._register.won),
            SettingSet("led", alone_mark(self._register.name)),
            SettingSet("alone", 0 if self._paired_from else alone_mark(self._register.name)),
        ]

    def listing(self) -> dict[str, Any]:
        """The standby as people are shown it."""
        standby = self._standby
        if standby is None:
            return {"state": ALONE}
        return {"gateway": standby.name, "state": self.mode}

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event in; what is to be done."""
        self._now = now
        if now - self._expected > LAG_S:
            self._excuse()
        match event:
            case Opened():
                self._opened()
            case Closed():
                self._register.closed()
                self.doubtful = False
            case Said(message, retained):
                self._hears = True
                self._take(message, retained)
            case Committed(data):
                self._committed(data)
            case CopyRead(copy, data, last):
                self._copy_read(copy, data, last)
            case Woken():
                pass
        if self._register.known and now >= self._beat_at:
            self._tick()
        self._expected = max(now, self._beat_at)
        out, self._out = self._out, []
        return out

    def next_wakeup(self) -> float | None:
        """When `Woken` is due."""
        return self._beat_at if self._register.known else None

    # --- who leads ---

    def _opened(self) -> None:
        self._out.append(Publish(self._register.opened()))
        self._excuse()

    def _excuse(self) -> None:
        """Nobody else was silent: we were not there."""
        self._heard_at = self._gained_at = self._now

    def _take(self, message: Any, retained: bool) -> None:
        match message:
            case wire.Lead():
                self._take_lead(message, retained)
            case wire.Heard() if self._register.known:
                self._take_heard(message)

    def _take_lead(self, lead: wire.Lead, retained: bool) -> None:
        register = self._register
        if self._must_refuse(lead, retained):
            register.heard_of(lead.turn)
            self._say_again()
            return
        match register.take(lead):
            case Seen.OTHER:
                self._out.append(StepDown(lead))
            case Seen.MENDED:
                self._say_again()
            case Seen.WON:
                self._turned(lead)
                if self._overwritten:
                    self._say_again()  # what was refused meanwhile
            case Seen.KNOWN:
                self._beat_at = self._now
                if self._may_be_replaced():
                    self.doubtful = True
                    text = "the broker cannot tell who leads: waiting for a word of the standby"
                    self._out.append(Tell("", WAITING, text))
                else:
                    self._go_on()
            case Seen.NOTHING:
                pass

    def _say_again(self) -> None:
        """What is retained is not ours any more. It is a turn of its own, so that it counts only if
        the standby has not taken over before: a turn is never said again by whoever was replaced.
        """
        register = self._register
        self._overwritten = True
        if register.leads and not self.doubtful and register.wanted is None:
            self._overwritten = False
            _, term, _, standby, number = register.current
            self._out.append(Publish(register.want(term, standby, number), retain=True))

    def _may_be_replaced(self) -> bool:
        """Whether the standby may lead without this session saying so: the broker has forgotten it,
        or keeps our own claim to go on alone, which may have come after its claim.
        """
        register = self._register
        if self.mode != PAIRED:
            return False
        return register.forgotten or not (register.certain or register.current.standby)

    def _go_on(self) -> None:
        """It is certain that we lead. A broker that has lost its memory is told again."""
        self.doubtful = False
        register = self._register
        if not register.certain:
            register.adopt(register.current)
            self._turned(register.current)
        if self._overwritten:
            self._say_again()
        elif register.forgotten:
            self._out.append(Publish(register.current, retain=True))
        self._out.append(Ready())

    def _settle_doubt(self, heard: wire.Heard) -> None:
        """The standby stands by, by the turn that it has seen: it has not taken over by that, nor
        by any before. If it has led since, or knows of a later turn, its word counts.
        """
        assert self.place is not None
        register = self._register
        beyond = (heard.number_term, heard.number) > (self.place.term, self.place.number)
        if beyond or heard.turn > register.current.turn:
            register.floor_term = max(register.floor_term, heard.number_term)
            register.heard_of(heard.turn)
            self._out.append(StepDown(wire.Lead(0, heard.number_term, heard.name, "", 0)))
        elif register.certain or heard.turn == register.current.turn:
            self._go_on()

    def _must_refuse(self, lead: wire.Lead, retained: bool) -> bool:
        """Whether somebody claims what is not to be had: nobody may while we lead alone."""
        register = self._register
        return (
            register.known
            and not retained
            and self.mode != PAIRED
            and register.current.leader == register.name
            and lead.leader != register.name
            and lead.turn > register.current.turn
        )

    def _turned(self, lead: wire.Lead) -> None:
        assert self.place is not None or not lead.standby
        if lead.standby:
            self._out.append(Stamp())  # our ledger knows that this turn was ours
            self._tell(f"standby {lead.standby} is in step: acknowledgements wait for both ledgers")
            return
        if self.mode == PAIRED:
            self.mode = ALONE
            name = self._standby.name if self._standby else "?"
            self._tell(f"standby {name} is silent: going on alone; it may not take over")
            self._drop_standby()
            self._release_all()

    def _release_all(self) -> None:
        if self.place is not None:
            self._out.append(Release(self.place.number))

    def _tell(self, text: str) -> None:
        name = self._standby.name if self._standby else ""
        self._out.append(Tell(name, self.mode, text))

    def _drop_standby(self) -> None:
        if self._paired_from:
            self._out.append(Stamp())  # alone again
        self._standby, self._paired_from = None, 0
        self._kept.trim(KEPT_AWAY_BYTES_MAX)

    # --- time ---

    def _tick(self) -> None:
        self._beat_at = self._now + BEAT_S
        if self.doubtful:
            return
        standby, place = self._standby, self.place or NOWHERE
        register = self._register
        self._out.append(Publish(wire.Beat(self._term, register.name, self._version, *place)))
        if register.wanted is not None:
            # It did not come back yet. One that hears nothing does not know what it overwrites.
            if self._hears:
                self._out.append(Publish(register.wanted, retain=True))
                self._hears = False
        elif standby is not None and self._is_lost(standby):
            self._leave_behind(standby)
        elif standby is not None:
            if self.mode == PAIRED and register.leads and not register.current.standby:
                self._pair(standby)  # the session broke before it was known
            if self._now - max(self._gained_at, self._said_again_at) >= AGAIN_S:
                self._send_again(standby)

    def _is_lost(self, standby: _Standby) -> bool:
        behind = standby.place is None or standby.place != self.place
        stuck = behind and self._now - self._gained_at > SILENCE_S
        return self._now - self._heard_at > SILENCE_S or stuck or self._kept.bytes > KEPT_BYTES_MAX

    def _leave_behind(self, standby: _Standby) -> None:
        if self.mode == PAIRED:
            number = self.place.number if self.place else 0
            self._out.append(Publish(self._register.want(self._term, "", number), retain=True))
            return
        self.mode = ALONE
        self._tell(f"standby {standby.name} is gone before it was in step")
        self._drop_standby()

    # --- batches ---

    def _committed(self, data: bytes) -> None:
        before = self.place
        if before is None:
            return
        self.place = Place(before.number + 1, self._term)
        self._kept.add(Batch(self.place.number, self._term, before.term, data))
        standby = self._standby
        if standby is None:
            self._kept.trim(KEPT_AWAY_BYTES_MAX)
            return
        if standby.place == before:
            self._gained_at = self._now
        if standby.place is None and standby.copy is None:
            self._begin_copy(standby)
        self._send(standby)

    def _take_heard(self, heard: wire.Heard) -> None:
        standby = self._standby
        if heard.name == self._register.name or self._is_strange(heard):
            return
        if standby is None:
            standby = self._standby = _Standby(heard.name)
            self.mode = CATCHING
            self._gained_at = self._now
            self._tell(f"standby {heard.name} is here and catches up")
        if heard.beat <= standby.beat:
            return  # it comes late
        if self.doubtful:
            self._settle_doubt(heard)
        self._heard_at = self._now
        standby.beat = heard.beat
        if self.place is None:
            self.place = NOWHERE
            self._out.append(Stamp())
        if self.place == NOWHERE:
            return  # its first batch is being written; one without a place has nothing of ours
        place = Place(heard.number, heard.number_term)
        if standby.copy is not None and heard.copy == standby.copy.number:
            self._copy_heard(standby.copy, heard.part)
        elif heard.copy and standby.copy is None:
            self._begin_copy(standby)  # it waits for one that nobody goes on with
        elif place == self.place or self._kept.follows(place):
            self._gained(standby, place)
        elif standby.copy is None:
            self._begin_copy(standby)

    def _is_strange(self, heard: wire.Heard) -> bool:
        """Whether to take nothing of this gateway, which is said once."""
        standby, why = self._standby, ""
        if heard.version != self._version:
            why = f"its ledger has version {heard.version}, this one {self._version}"
        elif standby is not None and heard.name != standby.name:
            why = f"{standby.name} is the standby already"
        if why and heard.name not in self._strangers and len(self._strangers) < 16:
            self._strangers.add(heard.name)
            self._out.append(Tell(heard.name, self.mode, f"gateway {heard.name} is ignored: {why}"))
        return bool(why)

    def _gained(self, standby: _Standby, place: Place) -> None:
        """The standby's ledger is at a place that ours was at."""
        if standby.copy is not None:
            if place.number < standby.copy.place.number:
                return  # it has not begun to take the copy
            standby.copy = None
        if standby.place is None or standby.place.number < place.number:
            if standby.place is None:
                standby.next = place.number + 1
            standby.place = place
            self._gained_at = self._now
        if standby.next <= place.number:
            standby.next = place.number + 1
        self._kept.confirm(place.number)
        if self.mode == PAIRED:
            self._out.append(Release(place.number))
        elif self._is_near(place):
            self._approach(standby, place)
        self._send(standby)

    def _approach(self, standby: _Standby, place: Place) -> None:
        """Pair with a standby that is near, once both ledgers say that the leader is not alone: a
        broker may forget what its turns said.
        """
        assert self.place is not None
        if not self._paired_from:
            self._paired_from = self.place.number + 1
            self._out.append(Stamp())
        elif place.number >= self._paired_from:
            self._pair(standby)

    def _pair(self, standby: _Standby) -> None:
        """From now on everything waits for the standby; it may take over once it hears of it."""
        assert self.place is not None
        self.mode = PAIRED
        lead = self._register.want(self._term, standby.name, self.place.number)
        self._out.append(Publish(lead, retain=True))

    def _is_near(self, place: Place) -> bool:
        assert self.place is not None
        near = self.place.number - place.number <= NEAR_BATCHES
        return near and self._register.leads and self._register.wanted is None

    def _send(self, standby: _Standby) -> None:
        """Batches that the standby lacks, as many as may be under way."""
        if standby.place is None or standby.copy is not None:
            return
        under_way = 0
        for kept in self._kept.first():
            if under_way >= UNDER_WAY_BYTES:
                return
            under_way += len(kept.data)
            if kept.number >= standby.next:
                self._send_batch(kept)
                standby.next = kept.number + 1

    def _send_batch(self, kept: Batch) -> None:
        size, crc = LEDGER_PART_BYTES_MAX, crc32c(kept.data)
        of = max(1, -(-len(kept.data) // size))
        for part in range(of):
            data = kept.data[part * size : (part + 1) * size]
            head = (self._term, self._register.name, *kept[:3])
            self._out.append(Publish(wire.Batch(*head, part, of, crc, data)))

    def _send_again(self, standby: _Standby) -> None:
        """What was not confirmed in time."""
        self._said_again_at = self._now
        if standby.copy is not None:
            self._out += standby.copy.again()
        elif standby.place is not None and standby.place != self.place:
            standby.next = standby.place.number + 1
            self._send(standby)

    # --- copies ---

    def _begin_copy(self, standby: _Standby) -> None:
        assert self.place is not None
        self._copies += 1
        standby.place = None
        standby.copy = Copying(self._copies, self.place, self._term, self._register.name)
        # Batches from here on follow the copy.
        self._kept.confirm(self.place.number)
        self._out.append(ReadCopy(self._copies))

    def _copy_read(self, number: int, data: bytes, last: bool) -> None:
        copy = self._standby.copy if self._standby else None
        if copy is not None and copy.number == number:
            self._out += copy.read(data, last)

    def _copy_heard(self, copy: Copying, part: int) -> None:
        gained, effects = copy.heard(part)
        if gained:
            self._gained_at = self._now
        self._out += effects
