"""cbor2's two functions as the codec uses them, for cbor2 5.4 to 6, with or without its C core.

The whole package is imported although the C core of cbor2 5, the module `_cbor2`, would save 1.1
MB: alone it lacks what the package registers with it, and fails on a NamedTuple with a SystemError.
"""

from typing import Any

import cbor2


def dumps(tree: Any) -> bytes:
    """Deterministic CBOR of plain values."""
    data: bytes = cbor2.dumps(tree, canonical=True)
    return data


def loads(data: bytes) -> Any:
    """The values in bytes that have passed the well-formedness check."""
    return cbor2.loads(data)
