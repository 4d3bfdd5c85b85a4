"""cbor2's two functions as the codec uses them, for cbor2 5.4 to 6, with or without its C core.

The whole package is imported although the C core of cbor2 5, the module `_cbor2`, would save 1.1
MB: alone it lacks what the package registers with it, and fails on a NamedTuple with a SystemError.
"""

from struct import pack, unpack_from
from typing import Any

import cbor2

_HALF, _SINGLE = 0xF9, 0xFA


def dumps(tree: Any) -> bytes:
    """Deterministic CBOR of plain values."""
    data: bytes = cbor2.dumps(tree, canonical=True)
    return data


def loads(data: bytes) -> Any:
    """The values in bytes that have passed the well-formedness check."""
    return cbor2.loads(data)


def halve_float(data: bytes, offset: int) -> bytes:
    """`data` with the binary32 at `offset` as a binary16, which must be able to hold it.

    The C core of cbor2 5 writes halves from 32,768 up (a rate of 48,000 Hz) as singles.
    """
    head, value = unpack_from(">Bf", data, offset)
    if head != _SINGLE:
        raise ValueError(f"no binary32 at byte {offset}")
    return data[:offset] + pack(">Be", _HALF, value) + data[offset + 5 :]
