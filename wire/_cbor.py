"""cbor2's two functions as the codec uses them, for cbor2 5.4 to 6."""

from typing import Any

import cbor2


def dumps(tree: Any) -> bytes:
    """Deterministic CBOR of plain values."""
    data: bytes = cbor2.dumps(tree, canonical=True)
    return data


def loads(data: bytes) -> Any:
    """The values in bytes that have passed the well-formedness check."""
    return cbor2.loads(data)
