"""What is printed: tables, results and JSON, the same for a fleet and for a file."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from atoll.wire.status import finite

# A result without a reducer can have a row per window: a person sees the first of them.
ROWS_SHOWN = 20


def print_json(value: Any) -> None:
    """Print one JSON document; NaN and infinities, which JSON has no numbers for, as strings."""
    print(json.dumps(finite(value), ensure_ascii=False))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "") -> None:
    """Print rows under their heads; numbers to the right, the rest to the left."""
    cells = [[cell(item) for item in row] for row in rows]
    if not cells:
        if empty:
            print(empty)
        return
    numeric = [all(_is_number(row[at]) for row in cells) for at in range(len(heads))]
    widths = [max(len(head), *(len(row[at]) for row in cells)) for at, head in enumerate(heads)]
    for row in [[head.upper() for head in heads], *cells]:
        line = "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        )
        print(line.rstrip())


def print_value(value: dict[str, Any]) -> None:
    """Print a plan's result, one number a line under its path of stages."""
    lines = list(_flat("", value))
    width = max((len(path) for path, _ in lines), default=0)
    for path, text in lines:
        print(f"{path.ljust(width)}  {text}")


def _flat(path: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{path} {key}".strip(), item)
    elif isinstance(value, list | tuple):
        if len(value) <= 8 and not any(isinstance(item, list | tuple | dict) for item in value):
            yield path, " ".join(cell(item) for item in value)
            return
        for at, item in enumerate(value[:ROWS_SHOWN]):
            row = item if isinstance(item, list | tuple) else [item]
            yield f"{path} [{at}]", " ".join(cell(each) for each in row)
        if len(value) > ROWS_SHOWN:
            yield path, f"... {len(value) - ROWS_SHOWN} more rows (all with --json)"
    else:
        yield path, cell(value)


def cell(value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)


def size(count: float) -> str:
    """Bytes as a person reads them."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"


def clock(ms: int | None) -> str:
    """A wall clock time, local."""
    if not ms or ms < 0:
        return "-"
    from datetime import datetime

    return datetime.fromtimestamp(ms / 1000).strftime("%Y-%m-%d %H:%M:%S")


def warn(text: str) -> None:
    """One line on stderr."""
    print(f"atoll: {text}", file=sys.stderr)


def _is_number(text: str) -> bool:
    return (
        text == "-"
        or text.replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit()
    )
