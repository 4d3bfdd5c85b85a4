"""Who leads a site: one retained topic whose messages all gateways see in the broker's order.

Each change is a turn. Whoever wants one says so with the next turn's number, and has it when the
broker sends it back before any other message of that turn: of two at the same time, both see who
was first. What is retained is looked at after each connection before anything is concluded: a
message of turn 0, which changes nothing, goes out and comes back behind it (`known`). So a gateway
that was away learns that it was replaced before it does anything else.

A broker keeps order on a topic and its retained message; that is all that is asked of it. One that
forgot what was retained is told again by the leader; until then what a gateway remembers of it is
`forgotten`: later turns may have been lost with it.
"""

from enum import Enum

from atoll.wire.gateways import Lead

NOBODY = Lead(0, 0, "", "", 0)
# How long a claim of one's own, found retained but never seen in order, is doubted: its winner, if
# there was another, says so at once.
DOUBT_S = 1.0


class Seen(Enum):
    """What a message on the topic was."""

    NOTHING = "nothing new"
    KNOWN = "what is retained is known now"
    WON = "the turn that was asked for"
    OTHER = "another gateway's turn"
    MENDED = "a message that came too late, after a turn of ours: say ours again"


class Register:
    """The topic as one gateway sees it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.current = NOBODY
        self.known = False
        self.forgotten = False
        # The last turn that the own ledger knows, and the term of its last batch: the next turn is
        # above it, and a message under a lower term is one that came too late and stayed.
        self.floor, self.floor_term = 0, 0
        self.wanted: Lead | None = None
        self.doubted_until = 0.0
        self._confirmed: Lead | None = None  # the last turn that was certainly ours
        self._marks = 0
        self._told = False  # anything by this session

    @property
    def leads(self) -> bool:
        """Whether this gateway leads, for certain."""
        return self.known and self.current.leader == self.name and not self.doubted_until

    def opened(self) -> Lead:
        """A session begins: what to send, not retained, to learn what is retained."""
        self.known, self.wanted, self._told = False, None, False
        self._marks += 1
        return Lead(0, self._marks, self.name, "", 0)

    def closed(self) -> None:
        """The session is over: what was asked for is void, and the rest may have changed."""
        self.known, self.wanted = False, None

    def want(self, term: int, standby: str, number: int) -> Lead:
        """The next turn, for this gateway: to be published, retained."""
        turn = max(self.current.turn, self.floor) + 1
        self.wanted = Lead(turn, term, self.name, standby, number)
        return self.wanted

    def settle(self, now: float) -> bool:
        """Whether a turn that was in doubt is ours, since nobody has spoken up."""
        settled = self.known and 0.0 < self.doubted_until <= now
        if settled:
            self.adopt(self.current)
        return settled

    def adopt(self, lead: Lead) -> None:
        """A turn that this gateway won in an earlier session."""
        self.current = self._confirmed = lead
        self.doubted_until = 0.0

    def take(self, lead: Lead, now: float) -> Seen:
        """A message of the topic, in the broker's order."""
        if lead.turn == 0:
            return self._mark(lead)
        if lead.turn >= max(self.current.turn, self.floor) and lead.term >= self.floor_term:
            self._told, self.forgotten = True, False
        if lead.turn > self.current.turn:
            return self._advance(lead, now)
        if lead == self.current:
            return Seen.NOTHING
        if self.current.leader != self.name:
            return Seen.NOTHING
        if self.doubted_until and lead.turn == self.current.turn and lead.leader != self.name:
            self.current, self.doubted_until = lead, 0.0
            return Seen.OTHER
        return Seen.MENDED

    def _mark(self, lead: Lead) -> Seen:
        if self.known or (lead.leader, lead.term) != (self.name, self._marks):
            return Seen.NOTHING
        self.known, self.forgotten = True, not self._told
        return Seen.KNOWN

    def _advance(self, lead: Lead, now: float) -> Seen:
        wanted, self.wanted = self.wanted, None
        self.current, self.doubted_until = lead, 0.0
        if lead == wanted:
            self._confirmed = lead
            return Seen.WON
        if lead.leader != self.name:
            return Seen.OTHER
        if lead != self._confirmed:
            self.doubted_until = now + DOUBT_S
        return Seen.NOTHING
