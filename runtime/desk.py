"""What the parts of the core share: the numbers that fence, the link's state, the effects being
collected.

Parts speak to each other through the core and to the outside through the desk.
"""

from atoll.runtime.effects import Effect, Publish, Say
from atoll.runtime.fence import Fence

# Reasons counted apart; some carry a peer's words, so that their number must be bounded.
REASONS_MAX = 64


class Desk:
    """Effects in the order in which they must happen, and counts of what was refused."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.linked = False
        self.answered = False  # the gateway has been heard since the link came up
        self.draining = False
        self.counters: dict[str, int] = {}
        self._effects: list[Effect] = []

    @property
    def head(self) -> tuple[int, int, int]:
        """The three fields that every message of the device begins with."""
        return self.fence.head

    def do(self, *effects: Effect) -> None:
        """Add effects behind the others."""
        self._effects += effects

    def publish(self, leaf: str, message: object) -> None:
        """Send a message under up/`leaf`."""
        self._effects.append(Publish(leaf, message))

    def say(self, line: str) -> None:
        """Tell the person at the terminal."""
        self._effects.append(Say(line))

    def count(self, reason: str, by: int = 1) -> int:
        """Count a refusal, or `by` things refused; how many there were."""
        if reason not in self.counters and len(self.counters) >= REASONS_MAX:
            reason = "other"
        self.counters[reason] = self.counters.get(reason, 0) + by
        return self.counters[reason]

    def taken(self) -> list[Effect]:
        """The effects, which are no longer the desk's."""
        effects, self._effects = self._effects, []
        return effects
