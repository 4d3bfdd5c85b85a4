"""The clock by which silence is judged: it counts only time in which this gateway could have heard.

It stands still while the broker is away and while what came in is still to be read, and leaves out
what the process itself was late by. A gateway that is behind for long has more devices than it
bears; a person is told then, and devices are to ask less often for a while.
"""

from atoll.gateway.desk import Desk
from atoll.gateway.member import NEVER

# So long may more come in than one turn takes before a person is told: a large answer is that, too.
OVERLOAD_S = 5.0
# After an overload devices ask half as often, for so long at first and twice as long after each
# overload more: half the heartbeats are a lasting relief, and that of a moment needs none.
RELIEF_S, RELIEF_MOST_S = 60.0, 3_600.0


class SilenceClock:
    """Stands until `thaw`. `frozen`: the broker is away. `overloaded`: a person was told so."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.frozen = True
        self.overloaded = False
        self._behind = False
        self._behind_at = 0.0
        self._stood_at = 0.0  # when it stopped, if it stands
        self._debt = 0.0
        self._relief_s = RELIEF_S  # after the next overload
        self._relieved_until = 0.0

    @property
    def stands(self) -> bool:
        """Whether nobody is to be judged now."""
        return self.frozen or self._behind

    @property
    def relieved(self) -> bool:
        """Whether devices are to ask less often."""
        return self.overloaded or self._desk.now < self._relieved_until

    def now(self) -> float:
        """Seconds of this clock."""
        return (self._stood_at if self.stands else self._desk.now) - self._debt

    def reached_at(self, when: float) -> float:
        """When this clock, which runs, shows `when`, on the caller's clock."""
        return when + self._debt

    def missed(self, lag_s: float) -> None:
        """The gateway was late by `lag_s`: no device is to blame for it."""
        if not self.stands:
            self._debt += lag_s

    def freeze(self) -> None:
        """The broker is away: silence means nothing."""
        if not self.stands:
            self._stood_at = self._desk.now
        self.frozen, self._behind = True, False
        if self.overloaded:
            self._relieve()

    def thaw(self) -> None:
        """The broker is back."""
        self.frozen = False
        self._stood_at = self._desk.now
        self._debt = 0.0

    def fall_behind(self) -> None:
        """What devices said is still to be read: until it is, none of them is silent. Otherwise a
        gateway that has more devices than it bears would suspect them, and have more to do by it.
        """
        if not self.stands:
            self._stood_at = self._desk.now
        self._behind, self._behind_at = True, self._desk.now

    def catch_up(self) -> None:
        """All is read."""
        if self._behind and not self.frozen:
            self._debt += self._desk.now - self._stood_at
        self._behind = False
        if self.overloaded:
            self._relieve()
            self._desk.say("overload", "all that has come in is read again", overloaded=False)

    def _relieve(self) -> None:
        self.overloaded = False
        self._relieved_until = self._desk.now + self._relief_s

    def next_due(self) -> float:
        """When `tick` has something to say, on the caller's clock."""
        told = self.overloaded or not self._behind
        return NEVER if told else self._behind_at + OVERLOAD_S

    def tick(self) -> None:
        """Tell a person of an overload."""
        now = self._desk.now
        if now < self.next_due():
            return
        self.overloaded = True
        again = now - self._relieved_until < RELIEF_MOST_S and self._relieved_until > 0.0
        self._relief_s = min(2 * self._relief_s, RELIEF_MOST_S) if again else RELIEF_S
        text = (
            "messages come in faster than this gateway takes them: devices are told to ask"
            " half as often, and nobody is judged by silence until it has caught up"
        )
        self._desk.say("overload", text, overloaded=True)
