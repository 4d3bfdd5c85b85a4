"""The gateway computes one task by itself, from a device's own blocks: a judge where no third
replica is left to ask.

Blocks come a part at a time, as for a read. A task of more than SAMPLE_BYTES_MAX is not judged.
"""

from collections.abc import Callable
from typing import NamedTuple

from atoll.gateway.catalog import Stream
from atoll.gateway.desk import Desk
from atoll.kernels import KernelError, Plan
from atoll.wire import messages as wire
from atoll.wire.block import decode_block, frame_bytes
from atoll.wire.errors import WireError
from atoll.wire.limits import BLOCK_BYTES_MAX

PART_BLOCKS = 16
PATIENCE_S = 10.0
SAMPLE_BYTES_MAX = 4 * 1_048_576  # four of the largest usual tasks; ordered plans may be longer
RECOUNTS_MAX = 4  # under way; each holds its samples

Told = Callable[[bytes | None], None]  # the partial; None: it cannot be told


class Job(NamedTuple):
    """What is to be computed, from whose blocks."""

    device: str
    stream: Stream
    plan: Plan
    task: wire.Task


class _Recount:
    def __init__(self, job: Job, tell: Told, next_seq: int, deadline: float) -> None:
        self.job = job
        self.tell = tell
        self.next_seq = next_seq
        self.position = job.task.start
        self.data = bytearray()
        self.deadline = deadline
        self.ended = False


class Recounts:
    """Tasks that the gateway computes, by the transfer of their blocks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[int, _Recount] = {}

    def begin(self, job: Job, tell: Told) -> bool:
        """Fetch and compute; False if that cannot be done."""
        size = frame_bytes(job.stream.info)
        held = job.stream.held.get(job.device, ())
        run = next((r for r in held if 0 <= job.task.start - r.first_sample < r.sample_count), None)
        too_much = (job.task.stop - job.task.start) * size > SAMPLE_BYTES_MAX
        if run is None or too_much or len(self._open) >= RECOUNTS_MAX:
            return False
        # No block is larger than BLOCK_BYTES_MAX: those before this one surely end too early.
        skipped = (job.task.start - run.first_sample) // (BLOCK_BYTES_MAX // size)
        first = run.first_seq + skipped
        self._ask(_Recount(job, tell, first, self._desk.now + PATIENCE_S))
        return True

    def _ask(self, recount: _Recount) -> None:
        transfer = self._desk.next_transfer()
        self._open[transfer] = recount
        info, first = recount.job.stream.info, recount.next_seq
        held = recount.job.stream.held.get(recount.job.device, ())
        run = next((r for r in held if r.first_seq <= first <= r.last_seq), None)
        if run is None:
            self._end(transfer, None)
            return
        last = min(run.last_seq, first + PART_BLOCKS - 1)
        ranges = [wire.BlockRange(info.dataset, info.key, first, last)]
        device = recount.job.device
        send = wire.SendBlocks(*self._desk.head(device), transfer, ranges)
        self._desk.tell(device, "task", send)

    def came_up(self, device: str, message: wire.Blocks) -> bool:
        """Take blocks in; False if they are of no recount."""
        recount = self._open.get(message.transfer)
        if recount is None or recount.job.device != device:
            return False
        for data in message.blocks:
            if not self._take(recount, data):
                self._end(message.transfer, None)
                return True
        if recount.position >= recount.job.task.stop:
            self._end(message.transfer, self._computed(recount))
        elif not message.more:
            del self._open[message.transfer]
            self._ask(recount)
        return True

    def _take(self, recount: _Recount, data: bytes) -> bool:
        """One block's share of the samples; False if it is not the one that was to come."""
        try:
            block = decode_block(data)
        except WireError:
            self._desk.refuse("block damaged")
            return False
        if block.info != recount.job.stream.info or block.seq != recount.next_seq:
            return False
        recount.next_seq += 1
        size = frame_bytes(block.info)
        end = block.first_sample + block.sample_count
        if end <= recount.position or recount.position >= recount.job.task.stop:
            return True
        if block.first_sample > recount.position:
            return False
        low = recount.position - block.first_sample
        high = min(end, recount.job.task.stop) - block.first_sample
        recount.data += block.data[low * size : high * size]
        recount.position = block.first_sample + high
        return True

    def _computed(self, recount: _Recount) -> bytes | None:
        info, task = recount.job.stream.info, recount.job.task
        try:
            return recount.job.plan.partial(
                bytes(recount.data), rate=info.rate_hz or None, start=task.start,
                anchor=task.anchor, key=task.key, dtype=info.dtype, scale=info.scale,
            )  # fmt: skip
        except KernelError:
            return None

    def failed(self, device: str, message: wire.TransferFailed) -> bool:
        """A device cannot send the blocks; False if they are of no recount."""
        recount = self._open.get(message.transfer)
        if recount is None or recount.job.device != device:
            return False
        self._end(message.transfer, None)
        return True

    def _end(self, transfer: int, partial: bytes | None) -> None:
        recount = self._open.pop(transfer)
        recount.tell(partial)

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        return min(one.deadline for one in self._open.values()) if self._open else None

    def tick(self) -> None:
        """Give up what does not come."""
        for transfer, recount in list(self._open.items()):
            if self._desk.now >= recount.deadline:
                self._end(transfer, None)
