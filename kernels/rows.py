"""Partials of plans without a reducer: the features' rows themselves, keyed and in order.

    "AP", version, 1, 8 bytes of the plan's id, then runs, ordered by (key, start):
    length and bytes of the key, start, number of windows, their f32 rows

`start` is the index of a run's first window in the stream. Runs that touch are joined, so that
the bytes do not depend on where the stream was cut. A window twice is refused.
"""

from array import array
from collections.abc import Iterable

from atoll.kernels.errors import KernelError

ROWS_MAX = 1 << 20  # bytes of rows a result; a person reads no more, a reducer takes any amount
KEY_MAX = 1024  # bytes of a stream's key
_KIND = 1
_HEAD = 12

Run = tuple[bytes, int, int, bytes]


def head(kind: int, plan_id: bytes) -> bytes:
    """First bytes of a partial."""
    return b"AP\x01" + bytes([kind]) + plan_id[:8]


def encode(plan_id: bytes, runs: Iterable[Run], step: int, rows: int = 1) -> bytes:
    """Runs in any order to the one form; `rows` of them stand every `step` samples."""
    parts = [head(_KIND, plan_id)]
    for key, start, count, data in _join(sorted(runs), step, rows):
        parts += [_count(len(key)), key, _count(start), _count(count), data]
    result = b"".join(parts)
    if len(result) > ROWS_MAX:
        raise KernelError(
            f"the plan has no reducer and gives {len(result)} bytes of rows, at most {ROWS_MAX} "
            "are kept; end it in a reducer such as quantiles, or run it over less"
        )
    return result


def decode(plan_id: bytes, data: bytes, width: int) -> list[Run]:
    """Runs of a partial; `width` floats a window."""
    if data[:_HEAD] != head(_KIND, plan_id):
        same = data[:4] == head(_KIND, b"")
        raise KernelError(
            "the partial belongs to another plan"
            if same and len(data) >= _HEAD
            else "the partial is damaged: its bytes are not what any plan writes"
        )
    if len(data) > ROWS_MAX:
        raise KernelError(f"the partial has {len(data)} bytes of rows, at most {ROWS_MAX} fit")
    runs: list[Run] = []
    at = _HEAD
    while at < len(data):
        length, at = _read_count(data, at)
        key, at = data[at : at + min(length, KEY_MAX + 1)], at + length
        start, at = _read_count(data, at)
        count, at = _read_count(data, at)
        end = at + 4 * width * count
        if end > len(data) or count == 0 or length > KEY_MAX:
            raise KernelError("the partial is damaged: its rows end early")
        runs.append((key, start, count, data[at:end]))
        at = end
    return runs


def _join(runs: list[Run], step: int, rows: int) -> Iterable[Run]:
    """Ordered runs with those that touch made one."""
    held: Run | None = None
    for run in runs:
        if held is None:
            held = run
            continue
        beyond = (run[1] - held[1]) * rows - held[2] * step  # times rows: a row may end between
        if run[0] == held[0] and beyond < 0:
            raise KernelError(f"window {run[1]} of stream {run[0].decode()!r} came twice")
        if run[0] == held[0] and beyond == 0:
            held = (held[0], held[1], held[2] + run[2], held[3] + run[3])
        else:
            yield held
            held = run
    if held is not None:
        yield held


Column = tuple[int, bool, int]  # floats a channel; whether they are shown as a list; channels


def table(runs: list[Run], widths: list[Column]) -> list[list[object]]:
    """For each feature its rows over all runs: numbers, or lists where it gives several."""
    columns: list[list[object]] = [[] for _ in widths]
    for _, _, count, data in runs:
        values = array("f", data)
        at = 0
        for _ in range(count):
            for column, (width, listed, channels) in zip(columns, widths, strict=True):
                row = values[at : at + width * channels].tolist()
                at += len(row)
                if listed and channels > 1:
                    column.append([row[k : k + width] for k in range(0, len(row), width)])
                else:
                    column.append(row if listed or channels > 1 else row[0])
    return columns


def _count(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_count(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 63:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte == 0 and shift > 7:
                break
            return value, at
    raise KernelError("the partial is damaged: a number is cut off or too long")
