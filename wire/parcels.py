"""What goes both ways: blocks of samples, and parts of a message too large for one."""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.schema import U16, U64, Array, Bytes, Flag, Uint, message
from atoll.wire.shapes import HEAD


class Blocks(NamedTuple):
    """Encoded blocks (block.py). Up: the answer to `SendBlocks`, `more` until the last; down: to be
    stored.
    """

    boot: int
    epoch: int
    lease: int
    transfer: int
    more: bool
    blocks: list[bytes]


message(
    10,
    Blocks,
    **HEAD,
    transfer=Uint(U64),
    more=Flag(),
    blocks=Array(Bytes(limits.MESSAGE_BYTES_MAX), limits.BLOCKS_MAX),
)


class Part(NamedTuple):
    """Part `number` of `of` of an encoded message too large for one; `digest` is the whole's
    SHA-256.
    """

    object_id: bytes
    number: int
    of: int
    digest: bytes
    data: bytes


message(
    11,
    Part,
    object_id=Bytes(16, least=16),
    number=Uint(U16),
    of=Uint(U16),
    digest=Bytes(32, least=32),
    data=Bytes(limits.PART_BYTES_MAX),
)
