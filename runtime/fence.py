"""Who may still tell this device what to do: the highest numbers seen, and what is refused because
of them.

Four numbers fence: the device's own boot, the gateway's term, the map's epoch, the lease's epoch.
The term only grows, and within one term the epochs do: a gateway that lost its ledger begins with a
higher term (gateway/core.py) and epochs of its own, and is followed. `admit` raises the numbers;
whoever acts on the message must have them on disk first.
"""

from typing import Any

from atoll.wire.messages import Lease, Map


class Fence:
    """The highest numbers seen."""

    def __init__(
        self, boot: int, *, term: int = 0, map_epoch: int = 0, lease_epoch: int = 0
    ) -> None:
        self.boot = boot
        self.term = term
        self.map_epoch = map_epoch
        self.lease_epoch = lease_epoch
        self._map_term = self._lease_term = term  # under which the epochs were seen

    @property
    def head(self) -> tuple[int, int, int]:
        """The three fields that every message of the device begins with."""
        return self.boot, self.map_epoch, self.lease_epoch

    def admit(self, message: Any) -> tuple[str, bool]:
        """Why a gateway's message is refused (empty: it is not), and whether a number has grown
        with it.
        """
        if message.boot < self.term:
            return "stale term", False
        kind = type(message)
        if kind is Map and (message.boot, message.epoch) < (self._map_term, self.map_epoch):
            return "stale map", False
        if kind is Lease and (message.boot, message.lease) < (self._lease_term, self.lease_epoch):
            return "stale lease", False
        before = (self.term, self.map_epoch, self.lease_epoch)
        self.term = message.boot
        if kind is Map:
            self._map_term, self.map_epoch = message.boot, message.epoch
        if kind is Lease:
            self._lease_term, self.lease_epoch = message.boot, message.lease
        return "", before != (self.term, self.map_epoch, self.lease_epoch)
