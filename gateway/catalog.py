"""The catalogue: datasets, their shards and streams, and which device holds which blocks.

A stream that is put lies in shard SHA-256(key) mod S. A live stream is pinned: it has a shard of
its own, numbered from PINNED on, whose first owner is the device that samples it (the part of its
key before the first "/"). Holdings are runs of blocks (runs.py) per stream and device, so their
size follows the number of streams and gaps, not of blocks.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import is_
from typing import NamedTuple

from atoll.gateway import runs
from atoll.gateway.desk import Desk
from atoll.gateway.errors import RequestError
from atoll.gateway.records import (
    DatasetGone,
    DatasetSet,
    HoldingGone,
    HoldingSet,
    ShardSet,
    StreamSet,
)
from atoll.wire import limits
from atoll.wire.block import crc32c
from atoll.wire.messages import BlockRun, StreamInfo
from atoll.wire.topics import is_name

PINNED = 65_536
SHARDS_DEFAULT = 64
REPLICAS_DEFAULT = 2
REPLICAS_MAX = 7  # more copies than that are a mistake in a request
DTYPES = ("i16", "i32", "f32")
# A million streams of 1 KiB each are the most that one gateway's memory is made for.
STREAMS_MAX = 1_000_000
DATASETS_MAX = limits.DATASETS_MAX
CHANNELS_MAX = 16  # as plans take them (kernels, `channels`)
# What `Stream.all_runs` was made of, and gave, where holders had different runs.
Together = tuple[list[list[BlockRun]], list[BlockRun]]
NOT_YET: Together = ([], [])


class ShardId(NamedTuple):
    """A shard by name."""

    dataset: str
    number: int


class Stream:
    """One stream: what it is, where its next put block begins, and who holds which blocks."""

    __slots__ = ("anchors", "floor", "held", "info", "shard", "tail_sample", "tail_seq", "together")

    def __init__(self, info: StreamInfo, shard: int) -> None:
        self.info = info
        self.shard = shard
        self.tail_seq = 0
        self.tail_sample = 0
        self.anchors: list[int] = []
        self.floor = (0, 0)  # the oldest block that retention has left, and its first sample
        # By device; a list is replaced and never changed, and holders of the same share it.
        self.held: dict[str, list[BlockRun]] = {}
        self.together = NOT_YET

    def row(self) -> StreamSet:
        """As the ledger keeps it."""
        i = self.info
        return StreamSet(
            i.dataset, i.key, self.shard, i.dtype, i.channels, i.rate_hz, i.scale, i.unit,
            self.tail_seq, self.tail_sample, self._anchors_text(),
        )  # fmt: skip

    def _anchors_text(self) -> str:
        if self.floor == (0, 0):
            return json.dumps(self.anchors)
        return json.dumps({"anchors": self.anchors, "floor": self.floor})

    def take_anchors(self, text: str) -> None:
        """Take anchors and floor as the ledger keeps them."""
        kept = json.loads(text)
        if isinstance(kept, dict):
            seq, sample = kept["floor"]
            self.floor = (seq, sample)
        self.anchors = kept["anchors"] if isinstance(kept, dict) else kept

    def anchor_at(self, sample: int) -> int:
        """The first sample of the gap-free run that a sample lies in."""
        at = bisect_right(self.anchors, sample) - 1
        return self.anchors[at] if at >= 0 else sample

    def may_begin(self, sample: int) -> bool:
        """Whether a gap-free run may begin at a sample: nobody has what lies around it in one."""
        return not any(
            run.first_sample < sample < run.first_sample + run.sample_count
            for held in self.held.values()
            for run in held
        )

    def all_runs(self) -> list[BlockRun]:
        """What all holders have together."""
        lists = [*self.held.values()]
        if not lists or all(held is lists[0] for held in lists):
            return lists[0] if lists else []
        before, union = self.together
        if len(before) == len(lists) and all(map(is_, before, lists)):
            return union
        union = lists[0]
        for held in lists[1:]:
            if held is not union and held != union:
                for run in held:
                    union = runs.added(union, run, self.info.rate_hz)
        self.together = (lists, union)
        return union

    def shared(self, held: list[BlockRun]) -> list[BlockRun]:
        """The list of another holder, if it is the same; so it takes no room of its own."""
        for other in self.held.values():
            if other is held or other == held:
                return other
        return held


class Shard:
    """One shard: who owns it now (acting first), who shall own it, and what lies in it."""

    __slots__ = ("byte_count", "epoch", "goal", "id", "owners", "streams")

    def __init__(self, shard: ShardId) -> None:
        self.id = shard
        self.epoch = 0
        self.owners: tuple[str, ...] = ()
        self.goal: tuple[str, ...] = ()
        self.streams: dict[str, Stream] = {}
        self.byte_count = 0

    @property
    def pinned(self) -> bool:
        """Whether it holds one live stream."""
        return self.id.number >= PINNED

    @property
    def sampler(self) -> str:
        """The device that samples a pinned shard's stream; empty for others."""
        return next(iter(self.streams)).split("/")[0] if self.pinned and self.streams else ""

    def row(self) -> ShardSet:
        """As the ledger keeps it."""
        return ShardSet(*self.id, self.epoch, ",".join(self.owners), ",".join(self.goal))


class Dataset:
    """One dataset: its row, its streams by key and its shards by number."""

    __slots__ = ("row", "shards", "streams")

    def __init__(self, row: DatasetSet) -> None:
        self.row = row
        self.streams: dict[str, Stream] = {}
        self.shards: dict[int, Shard] = {}


def shard_of(key: str, shards: int) -> int:
    """The shard of a key: SHA-256, the first eight bytes big-endian, mod S."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % shards


def pinned_shard(key: str) -> int:
    """The shard of a live stream."""
    return PINNED + (crc32c(key.encode()) & 0x7FFFFFFF)


class Catalog:
    """All datasets; every change is recorded at the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.datasets: dict[str, Dataset] = {}
        # What each device holds: the shards with blocks on it, and how many bytes they are.
        self.by_device: dict[str, dict[ShardId, int]] = {}
        self.stream_count = 0
        self.confirmed: Callable[[str, Stream, BlockRun], None] = lambda device, stream, run: None

    # --- from the ledger ---

    def restore_dataset(self, row: DatasetSet) -> None:
        """Take a dataset from the ledger."""
        self.datasets[row.name] = Dataset(row)

    def restore_shard(self, row: ShardSet) -> None:
        """Take a shard from the ledger."""
        shard = self.shard(ShardId(row.dataset, row.shard))
        shard.epoch = row.epoch
        shard.owners = tuple(filter(None, row.owners.split(",")))
        shard.goal = tuple(filter(None, row.goal.split(",")))

    def restore_stream(self, row: StreamSet) -> None:
        """Take a stream from the ledger."""
        info = StreamInfo(
            row.dataset, row.key, row.dtype, row.channels, row.rate_hz, row.scale, row.unit
        )
        stream = self._attach(info, row.shard)
        stream.tail_seq, stream.tail_sample = row.tail_seq, row.tail_sample
        stream.take_anchors(row.anchors)

    def restore_holding(self, row: HoldingSet) -> None:
        """Take a run of blocks from the ledger."""
        dataset = self.datasets[row.dataset]
        stream = dataset.streams[row.key]
        run = BlockRun(*row[3:8], bool(row.gap), row.byte_count)
        stream.held.setdefault(row.device, []).append(run)
        stream.tail_seq = max(stream.tail_seq, run.last_seq + 1)
        stream.tail_sample = max(stream.tail_sample, run.first_sample + run.sample_count)
        self._weigh(row.device, dataset.shards[stream.shard], run.byte_count)

    def settle(self) -> None:
        """After the last row: sizes of shards."""
        for dataset in self.datasets.values():
            for stream in dataset.streams.values():
                for held in stream.held.values():
                    held.sort()
                for device, held in stream.held.items():
                    stream.held[device] = stream.shared(held)
        for held_shards in self.by_device.values():
            for shard_id, byte_count in held_shards.items():
                shard = self.shard(shard_id)
                shard.byte_count = max(shard.byte_count, byte_count)

    # --- datasets and streams ---

    def create(self, name: str, shards: int, replicas: int) -> Dataset:
        """A new dataset; 0 takes the defaults."""
        if not is_name(name):
            raise RequestError(f"dataset {name!r}: letters, digits, '.', '_' and '-', at most 64")
        if len(self.datasets) >= DATASETS_MAX:
            raise RequestError(f"dataset {name}: a site has at most {DATASETS_MAX} datasets")
        if replicas > REPLICAS_MAX:
            raise RequestError(f"dataset {name}: replicas={replicas}, at most {REPLICAS_MAX}")
        row = DatasetSet(
            name, shards or SHARDS_DEFAULT, replicas or REPLICAS_DEFAULT, 0, 0, self._desk.wall_ms
        )
        self._desk.record(row)
        dataset = self.datasets[name] = Dataset(row)
        return dataset

    def remove(self, name: str) -> Dataset:
        """Drop a dataset and everything in it."""
        dataset = self.datasets.pop(name)
        self.stream_count -= len(dataset.streams)
        for shards in self.by_device.values():
            for shard in [s for s in shards if s.dataset == name]:
                del shards[shard]
        self._desk.record(DatasetGone(name))
        return dataset

    def need(self, name: str) -> Dataset:
        """The dataset, or a RequestError that names those there are."""
        dataset = self.datasets.get(name)
        if dataset is None:
            known = ", ".join(sorted(self.datasets)[:8]) or "none yet"
            raise RequestError(f"no dataset {name!r}; there are: {known}")
        return dataset

    def open_stream(self, info: StreamInfo, shard: int, anchor: int | None = None) -> Stream:
        """The stream, made if it is new; RequestError if it is there with another description.

        `anchor`: the first sample of a new stream, where it is known before its first block.
        """
        dataset = self.datasets[info.dataset]
        stream = dataset.streams.get(info.key)
        if stream is not None:
            if stream.info != info:
                raise RequestError(_difference(stream.info, info))
            return stream
        if self.stream_count >= STREAMS_MAX:
            raise RequestError(f"stream {info.key}: a site has at most {STREAMS_MAX} streams")
        check_info(info)
        stream = self._attach(info, shard)
        if anchor is not None:
            stream.anchors.append(anchor)
        self._desk.record(stream.row())
        return stream

    def _attach(self, info: StreamInfo, number: int) -> Stream:
        stream = Stream(info, number)
        self.datasets[info.dataset].streams[info.key] = stream
        self.shard(ShardId(info.dataset, number)).streams[info.key] = stream
        self.stream_count += 1
        return stream

    # --- shards ---

    def shard(self, shard: ShardId) -> Shard:
        """A shard of a known dataset, made if it is new."""
        shards = self.datasets[shard.dataset].shards
        found = shards.get(shard.number)
        if found is None:
            found = shards[shard.number] = Shard(shard)
        return found

    def find(self, shard: ShardId) -> Shard | None:
        """A shard if it is there."""
        dataset = self.datasets.get(shard.dataset)
        return dataset.shards.get(shard.number) if dataset else None

    def all_shards(self) -> Iterator[Shard]:
        """Every shard of the site."""
        for dataset in self.datasets.values():
            yield from dataset.shards.values()

    # --- holdings ---

    def confirm(self, device: str, stream: Stream, run: BlockRun) -> None:
        """A device says that it has synced these blocks just now."""
        self.add_run(device, stream, run)
        self.confirmed(device, stream, run)

    def add_run(self, device: str, stream: Stream, run: BlockRun) -> None:
        """A device has these blocks on its disk; those below the stream's floor do not count."""
        kept = runs.clipped(run, *stream.floor, stream.info.rate_hz)
        if kept is None:
            return
        run = kept
        before = stream.held.get(device, [])
        after = runs.added(before, run, stream.info.rate_hz)
        if after == before:
            return
        stream.held[device] = after = stream.shared(after)
        stream.tail_seq = max(stream.tail_seq, run.last_seq + 1)
        stream.tail_sample = max(stream.tail_sample, run.first_sample + run.sample_count)
        self._record_runs(device, stream, before, after)
        grown = sum(r.byte_count for r in after) - sum(r.byte_count for r in before)
        shard = self.datasets[stream.info.dataset].shards[stream.shard]
        self._weigh(device, shard, grown)
        shard.byte_count = max(shard.byte_count, self.by_device[device][shard.id])
        if stream.anchors and run.first_sample < stream.anchors[0]:
            self._begins_earlier(stream, run.first_sample)
        elif run.gap or not stream.anchors:
            self._anchor(stream, run.first_sample)

    def _begins_earlier(self, stream: Stream, sample: int) -> None:
        """News overtook that of older blocks: where it began is a gap only if its block says so."""
        first = stream.anchors[0]
        runs_there = (run for held in stream.held.values() for run in held)
        if not any(run.gap and run.first_sample == first for run in runs_there):
            del stream.anchors[0]
        self._anchor(stream, sample)

    def _anchor(self, stream: Stream, sample: int) -> None:
        at = bisect_right(stream.anchors, sample)
        if at and stream.anchors[at - 1] == sample:
            return
        stream.anchors.insert(at, sample)
        self._desk.record(stream.row())

    def _record_runs(
        self, device: str, stream: Stream, before: Sequence[BlockRun], after: Sequence[BlockRun]
    ) -> None:
        info = stream.info
        old = {run.first_seq: run for run in before}
        for run in after:
            if old.pop(run.first_seq, None) != run:
                self._desk.record(HoldingSet(device, info.dataset, info.key, *run))
        for first_seq in old:
            self._desk.record(HoldingGone(device, info.dataset, info.key, first_seq))

    def let_go(self, stream: Stream, floor: tuple[int, int]) -> bool:
        """A device has let go what lies below a block, as retention says: it counts nowhere more,
        so that nobody copies it back. Whether that is news.
        """
        if floor <= stream.floor:
            return False
        stream.floor = floor
        self._desk.record(stream.row())
        for device, held in list(stream.held.items()):
            kept = [runs.clipped(run, *floor, stream.info.rate_hz) for run in held]
            left = [run for run in kept if run is not None]
            if left != held:
                self.drop_runs(device, stream, left)
        return True

    def set_retention(self, name: str, keep_s: int, keep_bytes: int) -> None:
        """How long, and how much, is kept of a dataset (0: all)."""
        dataset = self.datasets[name]
        dataset.row = dataset.row._replace(retention_s=keep_s, retention_bytes=keep_bytes)
        self._desk.record(dataset.row)

    def drop_runs(self, device: str, stream: Stream, keep: Sequence[BlockRun] = ()) -> None:
        """A device has no more of a stream than `keep`."""
        before = stream.held.get(device, [])
        shard = self.datasets[stream.info.dataset].shards[stream.shard]
        lost = sum(r.byte_count for r in before) - sum(r.byte_count for r in keep)
        self._record_runs(device, stream, before, keep)
        if keep:
            stream.held[device] = list(keep)
        else:
            stream.held.pop(device, None)
            self._keep_tail(stream)
        self._weigh(device, shard, -lost)

    def drop_shard(self, device: str, shard: Shard) -> None:
        """A device was told to delete a shard."""
        for stream in shard.streams.values():
            if device in stream.held:
                self.drop_runs(device, stream)
        self.by_device.get(device, {}).pop(shard.id, None)

    def drop_device(self, device: str) -> list[Shard]:
        """A device is forgotten, and its rows with it; gives the shards that it held some of."""
        touched = []
        for shard_id in self.by_device.pop(device, {}):
            shard = self.find(shard_id)
            if shard is not None:
                for stream in shard.streams.values():
                    if stream.held.pop(device, None):
                        self._keep_tail(stream)
                touched.append(shard)
        return touched

    def _keep_tail(self, stream: Stream) -> None:
        # The tail follows from the holdings; without any it must not begin at 0 again.
        if not stream.held:
            self._desk.record(stream.row())

    def _weigh(self, device: str, shard: Shard, byte_count: int) -> None:
        held = self.by_device.setdefault(device, {})
        held[shard.id] = max(0, held.get(shard.id, 0) + byte_count)

    def lacking(self, shard: Shard, device: str, sources: Iterable[str]) -> bool:
        """Whether one of `sources` has blocks of the shard that `device` has not."""
        sources = {s for s in sources if s != device}
        for stream in shard.streams.values():
            mine = stream.held.get(device, ())
            for holder, theirs in stream.held.items():
                if holder in sources and runs.lacks(mine, theirs):
                    return True
        return False

    def lacking_ranges(
        self, shard: Shard, device: str, sources: Iterable[str]
    ) -> Iterator[tuple[Stream, str, int, int]]:
        """Block ranges (stream, source, first, last) that a source has and the device has not."""
        sources = [s for s in sources if s != device]
        for stream in shard.streams.values():
            mine = stream.held.get(device, [])
            for source in sources:
                theirs = stream.held.get(source)
                if not theirs or theirs == mine:
                    continue
                for first, last in runs.missing(theirs, mine):
                    yield stream, source, first, last


def check_info(info: StreamInfo) -> None:
    """RequestError unless a stream's description makes sense."""
    if info.dtype not in DTYPES:
        raise RequestError(f"stream {info.key!r}: dtype {info.dtype!r}, known: {', '.join(DTYPES)}")
    if not info.key or len(info.key.encode()) > limits.KEY_BYTES_MAX or not info.key.isprintable():
        raise RequestError(
            f"key {info.key!r}: 1 to {limits.KEY_BYTES_MAX} bytes of printable characters"
        )
    if not 1 <= info.channels <= CHANNELS_MAX:
        raise RequestError(
            f"stream {info.key!r}: {info.channels} channels; 1 to {CHANNELS_MAX} stand side by side"
        )
    if not info.rate_hz >= 0.0:
        raise RequestError(f"stream {info.key!r}: rate {info.rate_hz}, 0 or more is needed")


def _difference(old: StreamInfo, new: StreamInfo) -> str:
    for name in StreamInfo._fields:
        if getattr(old, name) != getattr(new, name):
            return (
                f"stream {old.key!r} of {old.dataset} has {name} {getattr(old, name)},"
                f" not {getattr(new, name)}"
            )
    return ""
