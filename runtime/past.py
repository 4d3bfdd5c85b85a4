"""What a store remembers of streams whose oldest blocks it has let go.

    DIR/shards/<dataset>/<shard>/past      CRC-32C, then the encoded `LetGo` message

Replaced in one step before the blocks are deleted. Where windows are counted from would be lost
with them, and, where all are gone, which number comes next. A file that is damaged is as none: both
are then what the oldest block says.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from atoll.runtime.index import StreamIndex
from atoll.wire._native import crc32c
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.limits import ENTRIES_MAX, OBJECT_BYTES_MAX
from atoll.wire.messages import LetGo, Past

if TYPE_CHECKING:  # the core makes the messages, the keeper writes the files
    from atoll.runtime.files import Files

NAME = "past"
UNKNOWN = 2**64 - 1  # an anchor that this device never saw: it has a copy of the stream's end only


def past_of(stream: StreamIndex, kept: int, before: Past | None) -> Past:
    """What is to be remembered of a stream whose rows before number `kept` go."""
    info = stream.info
    count = len(stream)
    if not count:
        next_seq = before.next_seq if before else 0
        next_sample = before.next_sample if before else 0
    else:
        last = stream.row(count - 1)
        next_seq, next_sample = last.seq + 1, last.end_sample
    first_seq, first_sample = next_seq, next_sample
    if kept < count:
        first = stream.row(kept)
        first_seq, first_sample = first.seq, first.first_sample
    anchor = _anchor(stream, min(kept, count - 1), before)
    return Past(info.dataset, info.key, anchor, first_seq, first_sample, next_seq, next_sample)


def _anchor(stream: StreamIndex, at: int, before: Past | None) -> int:
    """The first sample of the gap-free run that row number `at` belongs to."""
    for number in range(at, -1, -1):
        row = stream.row(number)
        if row.gap or row.seq == 0:
            return row.first_sample
    return before.anchor if before is not None else UNKNOWN


def read_pasts(files: "Files", folder: str) -> dict[str, Past]:
    """What was remembered in a shard's folder, by key."""
    try:
        handle = files.open(f"{folder}/{NAME}")
    except OSError:
        return {}
    try:
        data = files.read(handle, OBJECT_BYTES_MAX, 0)
    except OSError:
        return {}
    finally:
        files.close(handle)
    found: dict[str, Past] = {}
    if len(data) < 8 or crc32c(data[4:]) != int.from_bytes(data[:4], "little"):
        return found
    at = 4
    try:
        while at < len(data):
            size = int.from_bytes(data[at : at + 4], "little")
            message = decode(data[at + 4 : at + 4 + size], allowed=(LetGo,))
            found.update((past.key, past) for past in message.pasts)
            at += 4 + size
    except WireError:
        return {}
    return found


def write_pasts(files: "Files", folder: str, pasts: Iterable[Past]) -> int:
    """Replace what is remembered in a shard's folder; the bytes written. Raises OSError."""
    records = []
    for message in let_go_messages((0, 0, 0), list(pasts)):
        data = encode(message)
        records += [len(data).to_bytes(4, "little"), data]
    body = b"".join(records)
    fresh = f"{folder}/{NAME}.new"
    if f"{NAME}.new" in files.names(folder):
        files.remove(fresh)
    handle = files.open(fresh, create=True)
    try:
        written = files.append(handle, (crc32c(body).to_bytes(4, "little"), body))
        files.sync(handle)
    finally:
        files.close(handle)
    files.rename(fresh, f"{folder}/{NAME}")
    files.sync_directory(folder)
    return written


def let_go_messages(head: tuple[int, int, int], pasts: list[Past]) -> list[LetGo]:
    """`LetGo` messages that fit: names and keys at their longest are 200 bytes."""
    most = ENTRIES_MAX // 4
    return [LetGo(*head, pasts[at : at + most]) for at in range(0, len(pasts), most)]
