"""Numbers as JSON can hold them: NaN and infinities become strings, and nothing else changes."""

import json
import math
from typing import Any


def jsonable(value: Any) -> Any:
    """A copy of `value` (dicts, lists, numbers, text) without non-finite floats."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value


def dumps(value: Any) -> str:
    """Compact JSON of `value`."""
    return json.dumps(jsonable(value), ensure_ascii=False, separators=(",", ":"))
