"""The index of a store in memory: per stream one flat array, 40 bytes a block, no object per block.

Rows are sorted by sequence number. A row is five unsigned 64-bit words: sequence number, first
sample, wall time, place (segment and offset) and shape (length, sample count, start of the samples,
gap). Only blocks that are synced are in here: what a reader can see would survive a power cut.
"""

from array import array
from typing import NamedTuple

from atoll.wire.messages import BlockRun, StreamInfo

WORDS = 5
_SIGN = 1 << 63  # wall times are signed
_OFFSET_BITS = 40  # of a segment: a terabyte
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1


class Row(NamedTuple):
    """One block: `length` encoded bytes at `offset` of `segment`, of which the samples begin at
    `data_start`.
    """

    seq: int
    first_sample: int
    wall_ms: int
    segment: int
    offset: int
    length: int
    sample_count: int
    data_start: int
    gap: bool

    @property
    def end_sample(self) -> int:
        """The sample after the block's last."""
        return self.first_sample + self.sample_count


def _words(row: Row) -> "array[int]":
    shape = row.length | row.sample_count << 20 | row.data_start << 44 | int(row.gap) << 60
    place = row.segment << _OFFSET_BITS | row.offset
    return array("Q", (row.seq, row.first_sample, row.wall_ms + _SIGN, place, shape))


_NOWHERE = StreamInfo("", "", "i16", 1, 1.0, 1.0, "")


class StreamIndex:
    """The blocks of one stream that are on disk."""

    __slots__ = ("_rows", "info", "shard")

    def __init__(self, info: StreamInfo, shard: int) -> None:
        self.info = info
        self.shard = shard
        self._rows: array[int] = array("Q")

    def __len__(self) -> int:
        return len(self._rows) // WORDS

    def row(self, at: int) -> Row:
        """Row number `at`, counted from the oldest block."""
        base = at * WORDS
        seq, first, wall, place, shape = self._rows[base : base + WORDS]
        return Row(
            seq,
            first,
            wall - _SIGN,
            place >> _OFFSET_BITS,
            place & _OFFSET_MASK,
            shape & 0xFFFFF,
            shape >> 20 & 0xFFFFFF,
            shape >> 44 & 0xFFFF,
            bool(shape >> 60),
        )

    def _search(self, column: int, value: int) -> int:
        """How many rows have at most `value` in a column that grows with the sequence number."""
        rows, low, high = self._rows, 0, len(self)
        if high and rows[(high - 1) * WORDS + column] <= value:
            return high  # mostly it is about the newest block
        while low < high:
            middle = (low + high) // 2
            if rows[middle * WORDS + column] <= value:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, seq: int) -> int:
        """The row of block `seq`, or -1."""
        at = self._search(0, seq) - 1
        return at if at >= 0 and self._rows[at * WORDS] == seq else -1

    def after(self, seq: int) -> int:
        """The first row whose sequence number is higher than `seq`."""
        return self._search(0, seq)

    def holding(self, sample: int) -> int:
        """The last row that begins at or before `sample`; -1 if all begin later."""
        return self._search(1, sample) - 1

    def conflict(self, row: Row) -> str:
        """Why a block cannot be one of this stream beside those that are here; empty if it can."""
        at = self._search(0, row.seq)
        if at > 0 and self.row(at - 1).end_sample > row.first_sample:
            return f"block {row.seq} overlaps block {self.row(at - 1).seq}"
        if at < len(self) and row.end_sample > self.row(at).first_sample:
            return f"block {row.seq} overlaps block {self.row(at).seq}"
        return ""

    def add(self, row: Row) -> None:
        """Enter a block whose number is not here yet."""
        rows, words = self._rows, _words(row)
        if not rows or rows[-WORDS] < row.seq:
            rows.extend(words)
        else:
            base = self._search(0, row.seq) * WORDS
            rows[base:base] = words

    def rows_in(self, segments: set[int]) -> "dict[int, array[int]]":
        """The rows that lie in these segments, by segment."""
        rows = self._rows
        found: dict[int, array[int]] = {}
        for at, place in enumerate(rows[3::WORDS]):
            if place >> _OFFSET_BITS in segments:
                words = found.setdefault(place >> _OFFSET_BITS, array("Q"))
                words.extend(rows[at * WORDS : (at + 1) * WORDS])
        return found

    def extend(self, words: "array[int]") -> bool:
        """Enter rows behind all that are here; False, and nothing entered, if they are not."""
        rows = self._rows
        if rows and words:
            last = self.row(len(self) - 1)
            if last.seq >= words[0] or last.end_sample > words[1]:
                return False
        rows.extend(words)
        return True

    def forget(self, segments: set[int]) -> int:
        """Drop the rows that lie in these segments; how many they were."""
        rows, kept = self._rows, array("Q")
        for base in range(0, len(rows), WORDS):
            if rows[base + 3] >> _OFFSET_BITS not in segments:
                kept.extend(rows[base : base + WORDS])
        dropped = (len(rows) - len(kept)) // WORDS
        self._rows = kept
        return dropped

    def forget_block(self, seq: int) -> bool:
        """Drop one block that turned out damaged; False if it was not here."""
        at = self.find(seq)
        if at < 0:
            return False
        del self._rows[at * WORDS : (at + 1) * WORDS]
        return True

    def runs(self) -> list[BlockRun]:
        """The stream as runs of blocks without a gap inside, oldest first."""
        found: list[BlockRun] = []
        for at in range(len(self)):
            row = self.row(at)
            last = found[-1] if found else None
            if (
                last is not None
                and not row.gap
                and row.seq == last.last_seq + 1
                and row.first_sample == last.first_sample + last.sample_count
            ):
                found[-1] = last._replace(
                    last_seq=row.seq,
                    sample_count=last.sample_count + row.sample_count,
                    byte_count=last.byte_count + row.length,
                )
            else:
                found.append(run_of(row))
        return found


def rows_of(words: "array[int]") -> list[Row]:
    """Words as rows."""
    index = StreamIndex(_NOWHERE, 0)
    index.extend(words)
    return [index.row(at) for at in range(len(index))]


def run_of(row: Row) -> BlockRun:
    """One block as a run."""
    return BlockRun(
        row.seq, row.seq, row.first_sample, row.sample_count, row.wall_ms, row.gap, row.length
    )
