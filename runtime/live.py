"""The streams that this device samples itself: one recorder each, going on from what is stored.

The shard of such a pinned stream is 65,536 plus the CRC-32C of its key modulo 2^31: the same
wherever it is computed, and apart from the shards that a dataset is cut into.
"""

from collections.abc import Callable

from atoll.runtime.events import Sampled
from atoll.runtime.recorder import BLOCK_S, PINNED_SHARD_BASE, Recorder
from atoll.wire._native import crc32c
from atoll.wire.block import DTYPE_SIZES
from atoll.wire.messages import HeldStream, Past, StreamInfo

Cuts = Callable[[str, float], list[tuple[int, int]]]


def pinned_shard(key: str) -> int:
    """The shard number of a pinned stream."""
    return PINNED_SHARD_BASE + crc32c(key.encode()) % 2**31


class LiveStreams:
    """Recorders by name; `block_s`: how long a block stays open at the most."""

    def __init__(self, sources: list[StreamInfo], boot: int, block_s: float = BLOCK_S) -> None:
        self._boot = boot
        self._block_s = block_s
        self._recorders = {
            (info.dataset, info.key): self._recorder(info, pinned_shard(info.key), 0, 0)
            for info in sources
        }
        self.names = set(self._recorders)

    def _recorder(self, info: StreamInfo, shard: int, seq: int, sample: int) -> Recorder:
        boot, block_s = self._boot, self._block_s
        return Recorder(info, shard, boot, seq=seq, sample=sample, block_s=block_s)

    def restore(self, streams: list[HeldStream], pasts: list[Past]) -> None:
        """Go on behind the blocks that are stored, or that were."""
        for past in pasts:
            name = (past.dataset, past.key)
            if name in self._recorders:
                self._go_on(name, pinned_shard(past.key), past.next_seq, past.next_sample)
        for info, shard, runs in streams:
            name = (info.dataset, info.key)
            if name in self._recorders and runs:
                last = runs[-1]
                end = last.first_sample + last.sample_count
                self._go_on(name, shard, last.last_seq + 1, end)

    def _go_on(self, name: tuple[str, str], shard: int, seq: int, sample: int) -> None:
        known = self._recorders[name]
        fresh = self._recorder(known.info, shard, seq, sample)
        fresh.cuts = known.cuts
        self._recorders[name] = fresh

    def cut(self, cuts: Cuts) -> None:
        """Let blocks end where the batches of standing jobs do."""
        for recorder in self._recorders.values():
            recorder.cuts = cuts(recorder.info.dataset, recorder.info.rate_hz)

    def push(self, sampling: Sampled, now: float) -> tuple[list[bytes], list[str]]:
        """Add samples; the blocks that close, and why samples were refused."""
        closed: list[bytes] = []
        refused: list[str] = []
        times = (sampling.mono_ms, sampling.wall_ms, sampling.clock)
        for key, data in sampling.samples:
            recorder = self._recorders.get((sampling.dataset, key))
            if recorder is None:
                refused.append("samples of an unknown stream")
                continue
            info = recorder.info
            if len(data) != sampling.sample_count * info.channels * DTYPE_SIZES[info.dtype]:
                refused.append("samples of a wrong size")
                continue
            closed += recorder.push(data, now, times=times, gap=sampling.gap)
        return closed, refused

    def tick(self, now: float) -> list[bytes]:
        """The blocks whose time is over."""
        return [block for one in self._recorders.values() for block in one.tick(now)]

    def next_close(self) -> float | None:
        """When `tick` has something to do."""
        if not self._recorders:
            return None
        times = [due for one in self._recorders.values() if (due := one.due) is not None]
        return min(times, default=None)

    def close(self) -> list[bytes]:
        """Close all open blocks."""
        return [block for one in self._recorders.values() for block in one.close()]
