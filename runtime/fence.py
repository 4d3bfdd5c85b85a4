"""Who may still tell this device what to do: the highest numbers seen, and what is refused because
of them.

Four numbers fence: the device's own boot, the gateway's term, the map's epoch, the lease's epoch.
The last three only grow. `admit` raises them; whoever acts on the message must have them on disk
first (`raised`).
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
        if kind is Map and message.epoch < self.map_epoch:
            return "stale map", False
        if kind is Lease and message.lease < self.lease_epoch:
            return "stale lease", False
        before = (self.term, self.map_epoch, self.lease_epoch)
        self.term = message.boot
        if kind is Map:
            self.map_epoch = message.epoch
        if kind is Lease:
            self.lease_epoch = message.lease
        return "", before != (self.term, self.map_epoch, self.lease_epoch)
