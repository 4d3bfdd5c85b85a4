"""Blocks on their way out: transfers one after the other, lists of what is held in messages that
fit.
"""

from collections import deque

from atoll.runtime.effects import ReadBlocks
from atoll.wire import limits
from atoll.wire.messages import BlockRange, Held, HeldStream

# Transfers that wait. The gateway bounds what it starts; this bounds it where it does not.
TRANSFERS_MAX = 256
# One Held message; the bytes of a run and of a stream's description at their largest integers.
HELD_BYTES_MAX = 48_000
RUN_BYTES = 56
STREAM_BYTES = 48


class Transfers:
    """What was asked for and is not sent yet; the first is under way."""

    def __init__(self) -> None:
        self._waiting: deque[ReadBlocks] = deque()
        self._busy = False

    def add(self, transfer: int, ranges: list[BlockRange]) -> str:
        """Enter a transfer; why it is refused, empty if it is not."""
        if any(one.transfer == transfer for one in self._waiting):
            return ""
        if len(self._waiting) >= TRANSFERS_MAX:
            return f"more than {TRANSFERS_MAX} transfers wait"
        self._waiting.append(ReadBlocks(transfer, ranges))
        return ""

    def next(self) -> ReadBlocks | None:
        """The transfer to begin, if none is under way."""
        if self._busy or not self._waiting:
            return None
        self._busy = True
        return self._waiting[0]

    def finish(self) -> None:
        """The transfer under way has ended."""
        self._busy = False
        self._waiting.popleft()


def held_messages(
    head: tuple[int, int, int], streams: list[HeldStream], *, inventory: bool
) -> list[Held]:
    """`Held` messages that list these streams; an inventory has one at least."""
    groups: list[list[HeldStream]] = []
    group: list[HeldStream] = []
    size = 0
    for info, shard, runs in streams:
        texts = len(info.dataset.encode()) + len(info.key.encode()) + len(info.unit.encode())
        for at in range(0, len(runs), limits.RUNS_MAX):
            part = runs[at : at + limits.RUNS_MAX]
            cost = STREAM_BYTES + texts + RUN_BYTES * len(part)
            if group and (size + cost > HELD_BYTES_MAX or len(group) == limits.STREAMS_MAX):
                groups.append(group)
                group, size = [], 0
            group.append(HeldStream(info, shard, part))
            size += cost
    if group or (inventory and not groups):
        groups.append(group)
    last = len(groups) - 1
    return [Held(*head, inventory, inventory and at < last, one) for at, one in enumerate(groups)]
