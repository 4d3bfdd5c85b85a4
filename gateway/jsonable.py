"""Bodies for clients and topics: compact JSON, NaN and infinities as strings."""

import json
from typing import Any

from atoll.wire.status import finite


def dumps(value: Any) -> str:
    """Compact JSON of dicts, lists, texts and numbers."""
    return json.dumps(finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
