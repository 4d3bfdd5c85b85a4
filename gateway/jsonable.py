"""Bodies for clients and topics: compact JSON, NaN and infinities as strings."""

import json
from typing import Any

from atoll.wire.status import finite

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dumps(value: Any) -> str:
    """Compact JSON of dicts, lists, texts and numbers."""
    try:
        return _encode(value)
    except ValueError:  # a number that JSON does not have
        return _encode(finite(value))
