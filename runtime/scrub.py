"""Background reading of what is stored, so that rot is found while a replica still has the block.

One block at a time, in no hurry: each block once in `PASS_S`, and never more than one in
`SHORTEST_S`. The keeper takes a step when it has nothing else to do. What a read finds damaged the
store drops from its index and counts; telling the gateway is the core's part.
"""

from atoll.runtime.errors import Missing
from atoll.runtime.store import Store

# Flash that loses charge does so over months; a week leaves time to copy from a replica.
PASS_S = 7 * 86_400.0
# 240 kB a second at most: a hundredth of what the slowest SD card reads.
SHORTEST_S = 0.25
# With few blocks: how long to wait for the next one, and for blocks to come at all.
LONGEST_S = 60.0


class Scrubber:
    """Where the reading has got to. `due` is when `step` has something to do."""

    def __init__(
        self, store: Store, *, pass_s: float = PASS_S, shortest_s: float = SHORTEST_S
    ) -> None:
        self._store = store
        self._pass_s = pass_s
        self._shortest_s = shortest_s
        self._streams: list[tuple[str, str]] = []
        self._seq = -1
        self._interval = 0.0
        self.due = 0.0
        self.passes = 0

    def step(self, now: float) -> None:
        """Read one block; at the end of the last stream begin again."""
        if not self._streams:
            self._streams, blocks = self._store.names()
            self._interval = min(LONGEST_S, max(self._shortest_s, self._pass_s / max(1, blocks)))
        self.due = now + self._interval
        while self._streams:
            dataset, key = self._streams[-1]
            self._seq = self._store.block_after(dataset, key, self._seq)
            if self._seq >= 0:
                self._read(dataset, key)
                return
            self._streams.pop()
        self.passes += 1

    def _read(self, dataset: str, key: str) -> None:
        try:
            self._store.block(dataset, key, self._seq)
        except Missing:
            return  # the store has counted it
