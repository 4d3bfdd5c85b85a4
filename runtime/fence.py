"""Who may still tell this device what to do: the highest numbers seen, and what is refused because
of them.

Four numbers fence: the device's own boot, the gateway's term, the map's epoch, the lease's epoch.
The term only grows, and within one term the epochs do: a gateway that lost its ledger begins with a
higher term (gateway/core.py) and epochs of its own, and is followed. `admit` raises the numbers;
whoever acts on the message must have them on disk first. docs/wire.md has a table of which message
is fenced by what.
"""

from typing import Any

from atoll.wire.messages import Blocks, Cancel, Lease, Map, Standing, Tasks

# Jobs whose last order or end is remembered: as long as a message can be late, not for ever.
JOBS_MAX = 256


class Fence:
    """The highest numbers seen; `map_term`, `lease_term`: those of the epochs (-1: `term`)."""

    def __init__(
        self,
        boot: int,
        *,
        term: int = 0,
        map_epoch: int = 0,
        lease_epoch: int = 0,
        map_term: int = -1,
        lease_term: int = -1,
    ) -> None:
        self.boot = boot
        self.term = term
        self.map_epoch = map_epoch
        self.lease_epoch = lease_epoch
        self.map_term = term if map_term < 0 else map_term
        self.lease_term = term if lease_term < 0 else lease_term
        # By job: term and epoch of its newest order, and of its end.
        self._ordered: dict[str, tuple[int, int]] = {}
        self._ended: dict[str, tuple[int, int]] = {}

    @property
    def head(self) -> tuple[int, int, int]:
        """The three fields that every message of the device begins with."""
        return self.boot, self.map_epoch, self.lease_epoch

    def admit(self, message: Any) -> tuple[str, bool]:
        """Why a gateway's message is refused (empty: it is not), and whether a number has grown
        with it.
        """
        reason = self._stale(message)
        if reason:
            return reason, False
        before = (self.term, self.map_epoch, self.lease_epoch, self.map_term, self.lease_term)
        self.term = message.boot
        kind = type(message)
        if kind is Map:
            self.map_term, self.map_epoch = message.boot, message.epoch
        elif kind is Lease:
            self.lease_term, self.lease_epoch = message.boot, message.lease
        elif kind is Standing:
            _note(self._ordered, message)
        elif kind is Cancel:
            _note(self._ended, message)
        after = (self.term, self.map_epoch, self.lease_epoch, self.map_term, self.lease_term)
        return "", before != after

    def _stale(self, message: Any) -> str:
        if message.boot < self.term:
            return "stale term"
        kind = type(message)
        epoch = (message.boot, message.epoch)
        lease = (message.boot, message.lease)
        nothing = (-1, -1)
        if kind is Map and epoch < (self.map_term, self.map_epoch):
            return "stale map"
        if kind in (Lease, Blocks) and lease < (self.lease_term, self.lease_epoch):
            return "stale lease" if kind is Lease else "blocks of a stale lease"
        if kind in (Standing, Tasks) and epoch <= self._ended.get(message.job, nothing):
            return "stale order" if kind is Standing else "tasks of an ended job"
        if kind is Cancel and epoch < self._ordered.get(message.job, nothing):
            return "stale cancel"
        return ""


def _note(jobs: dict[str, tuple[int, int]], message: Any) -> None:
    jobs[message.job] = max((message.boot, message.epoch), jobs.pop(message.job, (-1, -1)))
    while len(jobs) > JOBS_MAX:
        del jobs[next(iter(jobs))]
