"""What a batch of a standing job with running memory carries beside its partial: from where its
stages go on. The gateway keeps it per job and stream, so that a replica can take over.

    following   u64  the first sample of the next batch
    anchor      u64  the first sample of the gap-free run that windows and filters are counted from
    length      u32  of the partial; the rest is the plan's checkpoint
"""

from struct import Struct
from typing import NamedTuple

from atoll.wire.errors import WireError

_HEAD = Struct("<QQI")


class Carried(NamedTuple):
    """A batch's partial and the checkpoint behind it."""

    following: int
    anchor: int
    partial: bytes
    checkpoint: bytes


def pack(carried: Carried) -> bytes:
    """As a result's data."""
    head = _HEAD.pack(carried.following, carried.anchor, len(carried.partial))
    return head + carried.partial + carried.checkpoint


def unpack(data: bytes) -> Carried:
    """Read it back; WireError where it is cut off."""
    if len(data) < _HEAD.size:
        raise WireError("checkpoint", f"{len(data)} bytes are no partial with its checkpoint")
    following, anchor, length = _HEAD.unpack_from(data)
    end = _HEAD.size + length
    if end > len(data):
        raise WireError("checkpoint", f"a partial of {length} bytes does not fit in {len(data)}")
    return Carried(following, anchor, data[_HEAD.size : end], data[end:])
