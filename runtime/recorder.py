"""The open block of a live stream: samples go in, closed blocks come out.

A block closes when it is full, after `BLOCK_S` or what the device is told, when the batch of a
standing job is complete with it (not sooner than `CUT_S` after the block began: a sync for each
tiny batch would wear a card out), and before a gap.
"""

from atoll.wire.block import DTYPE_SIZES, Block, encode_block
from atoll.wire.limits import BLOCK_BYTES_MAX
from atoll.wire.messages import StreamInfo

BLOCK_S = 60.0
CUT_S = 0.25
PINNED_SHARD_BASE = 65_536


class Recorder:
    """One stream that this device samples itself. `seq` and `sample` go on from what is stored."""

    def __init__(
        self,
        info: StreamInfo,
        shard: int,
        boot: int,
        *,
        seq: int,
        sample: int,
        block_s: float = BLOCK_S,
    ) -> None:
        self.info = info
        self._block_s = block_s
        self.shard = shard
        self._boot = boot
        self._seq = seq
        self._first = sample
        self._anchor = sample  # first sample of the gap-free run
        self._gap = seq > 0  # what happened between the boots is unknown
        self._data = bytearray()
        self._since = 0.0
        self._times = (0, 0, 0)
        self._width = DTYPE_SIZES[info.dtype] * info.channels
        self.cuts: list[tuple[int, int]] = []

    @property
    def next_sample(self) -> int:
        """The index that the next sample gets."""
        return self._first + len(self._data) // self._width

    def push(
        self, data: bytes, now: float, *, times: tuple[int, int, int], gap: bool = False
    ) -> list[bytes]:
        """Add samples; the encoded blocks that close. `times`: mono_ms, wall_ms, clock of the first
        sample.
        """
        closed = self.close() if gap else []
        if gap:
            self._gap = self._seq > 0
            self._anchor = self._first
        position = 0
        period_ms = 1_000 / self.info.rate_hz
        while position < len(data):
            if not self._data:
                offset_ms = round(position // self._width * period_ms)
                self._times = (times[0] + offset_ms, times[1] + offset_ms, times[2])
                self._since = now
            room = BLOCK_BYTES_MAX // self._width * self._width - len(self._data)
            self._data += data[position : position + room]
            position += room
            full = len(self._data) + self._width > BLOCK_BYTES_MAX
            if full or (self._crossed() and now - self._since >= CUT_S):
                closed += self.close()
        return closed

    def _crossed(self) -> bool:
        """Whether a standing batch became complete in the open block."""
        start, end = self._first - self._anchor, self.next_sample - self._anchor
        return any(
            (end - overlap) // every > max(0, (start - overlap) // every)
            for every, overlap in self.cuts
        )

    def tick(self, now: float) -> list[bytes]:
        """Close the block if it has been open for long enough."""
        due = self.due
        return self.close() if due is not None and now >= due else []

    @property
    def due(self) -> float | None:
        """When `tick` closes the open block."""
        return self._since + self._block_s if self._data else None

    def close(self) -> list[bytes]:
        """Close the open block, if there is one."""
        if not self._data:
            return []
        count = len(self._data) // self._width
        mono_ms, wall_ms, clock = self._times
        block = Block(
            *(self.info, self.shard, self._seq, self._first, count, self._boot),
            *(mono_ms, wall_ms, clock, self._gap, bytes(self._data)),
        )
        self._seq += 1
        self._first += count
        self._gap = False
        self._data.clear()
        return [encode_block(block)]
