"""Who a microcontroller is: the block of flash that is written apart from its image, so that one
image serves a fleet. `firmware_stubs/common/identity.h` has the layout and reads it.
"""

import math
import struct
from typing import NamedTuple

from atoll.wire._native import crc32c
from atoll.wire.errors import EncodeError
from atoll.wire.topics import check_name

VERSION = 2
UNIT_BYTES_MAX = 16
FLOOR_MAX = 1 << 29  # runs have 30 bits


class Identity(NamedTuple):
    """A board's names, and the stream that it samples (`source` empty: none).

    The stream's key is `device/source`. rate_hz: samples a second; scale: units a count.
    floor: boots and runs are numbered from there on a board that remembers none (32 bits).
    """

    site: str
    device: str
    zone: str
    dataset: str = ""
    source: str = ""
    unit: str = ""
    rate_hz: float = 0.0
    scale: float = 1.0
    floor: int = 0


def encode_identity(identity: Identity) -> bytes:
    """The block; EncodeError where a text cannot stand in a topic or a number is none."""
    names = [identity.site, identity.device, identity.zone]
    if identity.source:
        names += [identity.dataset, identity.source]
        if not 0 < identity.rate_hz < math.inf or not math.isfinite(identity.scale):
            raise EncodeError(
                "identity", f"rate {identity.rate_hz!r} Hz, scale {identity.scale!r}: not possible"
            )
    elif identity.dataset or identity.unit:
        raise EncodeError("identity", "a dataset or a unit without the name of a source")
    for name in names:
        check_name(name, "name")
    if len(identity.unit.encode()) > UNIT_BYTES_MAX:
        raise EncodeError("identity", f"unit {identity.unit!r}: at most {UNIT_BYTES_MAX} bytes")
    if not 0 <= identity.floor < FLOOR_MAX:
        raise EncodeError("identity", f"floor {identity.floor}: 0 to {FLOOR_MAX - 1}")
    texts = [text.encode() for text in identity[:6]]
    block = b"ATID" + bytes([VERSION, *map(len, texts)]) + b"".join(texts)
    block += struct.pack("<ffI", identity.rate_hz, identity.scale, identity.floor)
    return block + crc32c(block).to_bytes(4, "little")
