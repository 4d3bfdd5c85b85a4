"""Who leads a site: one retained topic whose messages all gateways see in the broker's order.

Each change is a turn. Whoever wants one says so with the next turn's number, and has it when the
broker sends it back before any other message of that turn: of two at the same time, both see who
was first. What is retained is looked at after each connection before anything is concluded: a
message of turn 0, which changes nothing, goes out and comes back behind it (`known`). So a gateway
that was away learns that it was replaced before it does anything else.

What is retained is the last claim, not the winner: one's own claim that is found retained, and was
not seen to come first, proves nothing (`certain` is false), however long nobody speaks up.

A broker keeps order on a topic and its retained message; that is all that is asked of it. One that
forgot what was retained is told again by the leader; until then what a gateway remembers of it is
`forgotten`: later turns may have been lost with it.
"""

from enum import Enum

from atoll.wire.gateways import Lead

NOBODY = Lead(0, 0, "", "", 0)


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
        self.certain = True  # if `current` is ours: that it was the first of its turn
        self.won = 0  # the last turn that was certainly ours
        # The last turn that the own ledger knows, or another gateway, and the term of its last
        # batch: the next turn is above it, and a message under a lower term is one that came too
        # late and stayed.
        self.floor, self.floor_term = 0, 0
        self.wanted: Lead | None = None
        self._marks = 0
        self._told = False  # anything by this session

    @property
    def leads(self) -> bool:
        """Whether this gateway leads, for certain."""
        return self.known and self.current.leader == self.name and self.certain

    @property
    def seen(self) -> int:
        """The last turn that this gateway knows of."""
        return max(self.current.turn, self.floor)

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
        self.wanted = Lead(self.seen + 1, term, self.name, standby, number)
        return self.wanted

    def adopt(self, lead: Lead) -> None:
        """A turn that this gateway has certainly won."""
        self.current, self.certain = lead, True
        self.won = max(self.won, lead.turn)

    def heard_of(self, turn: int) -> None:
        """Another gateway has seen a turn; if it is a later one, this broker has forgotten it."""
        if turn > self.seen:
            self.floor, self.forgotten, self._told = turn, True, False

    def take(self, lead: Lead) -> Seen:
        """A message of the topic, in the broker's order."""
        if lead.turn == 0:
            return self._mark(lead)
        if lead.turn >= self.seen and lead.term >= self.floor_term:
            self._told, self.forgotten = True, False
        if lead.turn > self.current.turn:
            return self._advance(lead)
        if lead == self.current or self.current.leader != self.name:
            return Seen.NOTHING
        if not self.certain and lead.turn == self.current.turn and lead.leader != self.name:
            self.current = lead
            return Seen.OTHER
        return Seen.MENDED

    def _mark(self, lead: Lead) -> Seen:
        if self.known or (lead.leader, lead.term) != (self.name, self._marks):
            return Seen.NOTHING
        self.known, self.forgotten = True, not self._told
        return Seen.KNOWN

    def _advance(self, lead: Lead) -> Seen:
        wanted, self.wanted = self.wanted, None
        self.current, self.certain = lead, lead.leader != self.name
        if lead.leader != self.name:
            return Seen.OTHER
        if lead == wanted:
            self.adopt(lead)
            return Seen.WON
        return Seen.NOTHING
