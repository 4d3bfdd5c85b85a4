"""A device's disk in memory: what is synced outlives a crash, what is not may or may not.

It stands for runtime's keeper, store and outbox: requests are served in order and answered after
the sync. At a crash each request under way has been written or has not, by chance; a block is whole
or not there, as the store's CRC and recovery make it.
"""

from bisect import bisect_right
from random import Random
from typing import Any, NamedTuple

from atoll.runtime import effects as do
from atoll.runtime.spans import joined
from atoll.wire import messages as wire
from atoll.wire.block import Block, decode_block
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError

Name = tuple[str, str]  # dataset and key
NEVER = float("inf")  # behind every number


class Stored(NamedTuple):
    """A block as it lies on the disk."""

    encoded: bytes
    block: Block
    run: wire.BlockRun


class Disk:
    """What a device keeps: blocks by stream and number, the outbox, the state."""

    def __init__(self) -> None:
        self.blocks: dict[Name, dict[int, Stored]] = {}
        self._order: dict[Name, list[tuple[int, int]]] = {}  # first sample and number, sorted
        self._runs: dict[Name, list[wire.BlockRun]] = {}  # of streams that were listed
        self.outbox: dict[int, bytes] = {}
        self.state = do.State(0, 0, 0, 0, [], [])
        self.pending: list[tuple[Any, ...]] = []  # asked for and not synced

    def crash(self, random: Random) -> "list[Stored]":
        """The power goes: the newest requests are lost from some point on, as order is kept; gives
        the blocks that are written and of which nobody has heard.
        """
        kept = random.randint(0, len(self.pending))
        written: list[Stored] = []
        for method, *arguments in self.pending[:kept]:
            result = method(*arguments)
            if method == self.store:
                written += result[2]
        self.pending.clear()
        return written

    # --- what a request does once it is synced ---

    def store(
        self, blocks: list[bytes]
    ) -> tuple[list[wire.Refusal], list[wire.HeldStream], list[Stored]]:
        """Refusals, news by stream, and all that is here of what was given."""
        refused: list[wire.Refusal] = []
        added: dict[Name, wire.HeldStream] = {}
        here: list[Stored] = []
        for index, encoded in enumerate(blocks):
            try:
                block = decode_block(encoded)
            except WireError as error:
                refused.append(wire.Refusal(index, str(error)))
                continue
            info = block.info
            mine = self.blocks.setdefault((info.dataset, info.key), {})
            known = mine.get(block.seq)
            if known is not None:
                if known.encoded != encoded:
                    refused.append(wire.Refusal(index, "another block is here"))
                else:
                    here.append(known)
                continue
            run = wire.BlockRun(
                block.seq, block.seq, block.first_sample, block.sample_count, block.wall_ms,
                block.gap, len(encoded),
            )  # fmt: skip
            mine[block.seq] = stored = Stored(bytes(encoded), block, run)
            name = (info.dataset, info.key)
            self._order.pop(name, None)
            listed = self._runs.get(name)
            if listed is not None:
                self._runs[name] = joined(listed, run)
            here.append(stored)
            held = added.setdefault(name, wire.HeldStream(info, block.shard, []))
            held.runs.append(run)
        return refused, list(added.values()), here

    def append(self, number: int, message: Any) -> None:
        """Keep a message until it is acknowledged."""
        self.outbox[number] = encode(message)

    def read(self, number: int) -> Any:
        """A message of the outbox; None where it is gone."""
        data = self.outbox.get(number)
        return None if data is None else decode(data)

    def settle(self, spans: list[wire.NumberSpan]) -> None:
        """Forget what is acknowledged."""
        for first, last in spans:
            for number in [n for n in self.outbox if first <= n <= last]:
                del self.outbox[number]

    def save(self, state: do.State) -> None:
        """Keep the state."""
        self.state = state

    def delete(self, shards: list[wire.ShardRef]) -> None:
        """Drop shards."""
        gone = set(shards)
        for (dataset, key), mine in list(self.blocks.items()):
            if mine and (dataset, next(iter(mine.values())).block.shard) in gone:
                del self.blocks[dataset, key]
                self._order.pop((dataset, key), None)
                self._runs.pop((dataset, key), None)

    def message_of(self, ranges: list[wire.BlockRange]) -> tuple[list[bytes], list[Any], str]:
        """A block from the front of some ranges, the rest of them, or why there is none."""
        (dataset, key, first, last), *rest = ranges
        stored = self.blocks.get((dataset, key), {}).get(first)
        if stored is None:
            return [], [], f"no block {first} of {key}"
        if first < last:
            rest.insert(0, wire.BlockRange(dataset, key, first + 1, last))
        return [stored.encoded], rest, ""

    def streams(self, dataset: str) -> list[wire.HeldStream]:
        """What is held of a dataset, of all if it is empty."""
        found = []
        for name, mine in self.blocks.items():
            if mine and dataset in ("", name[0]):
                runs = self._runs.get(name)
                if runs is None:
                    runs = []
                    for seq in sorted(mine):
                        runs = joined(runs, mine[seq].run)
                    self._runs[name] = runs
                block = next(iter(mine.values())).block
                found.append(wire.HeldStream(block.info, block.shard, runs))
        return found

    def samples(self, name: Name, start: int, stop: int) -> tuple[str, float, bytes] | None:
        """dtype, rate and samples [start, stop) of a stream; None where some are missing."""
        mine = self.blocks.get(name, {})
        order = self._order.get(name)
        if order is None:
            order = self._order[name] = sorted((s.block.first_sample, n) for n, s in mine.items())
        parts, at, info = [], start, None
        for index in range(max(0, bisect_right(order, (start, NEVER)) - 1), len(order)):
            first, seq = order[index]
            if at >= stop or first > at:
                break
            block = mine[seq].block
            high = min(stop - first, block.sample_count)
            if at - first < high:
                info = block.info
                width = len(block.data) // block.sample_count
                parts.append(block.data[(at - first) * width : high * width])
                at = first + high
        if info is None or at != stop:
            return None
        return info.dtype, info.rate_hz, b"".join(parts)

    @property
    def byte_count(self) -> int:
        """Bytes of blocks."""
        return sum(
            stored.run.byte_count for mine in self.blocks.values() for stored in mine.values()
        )
