"""Records of the ledger as bytes, for another gateway's ledger: packed after their types.

    record   kind u8, length u32 of what follows, the fields in their order
    field    int: i64, float: binary64, str and bytes: length u32 and the bytes; little-endian
    rows of partials: count u32, then (query i64, task i64, length u32 and bytes) each

The kinds and fields are those of records.py at one version of the ledger; both gateways say theirs
and the standby takes nothing of another version. A reader believes no length: what does not fit, is
left over or is no UTF-8 is refused, and so is a record of more than `RECORD_BYTES_MAX`.
"""

import struct
from collections.abc import Iterable
from typing import Any

from atoll.gateway import records as r

# A query with its request, cuts and answer (a result is at most 1 MiB, a reply 4 MiB), doubled.
RECORD_BYTES_MAX = 16 * 1_048_576
KINDS: tuple[Any, ...] = r.Record.__args__  # a new kind goes to the end, with a new ledger version
_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_TYPES = {kind: [kind.__annotations__[name] for name in kind._fields] for kind in KINDS}
_HEAD = struct.Struct("<BI")
_INT, _FLOAT, _SIZE = struct.Struct("<q"), struct.Struct("<d"), struct.Struct("<I")
_ROW = struct.Struct("<qqI")


class RowsError(Exception):
    """Bytes that are no records."""


def pack(records: Iterable[r.Record]) -> bytes:
    """Records one after the other."""
    out = bytearray()
    for record in records:
        body = _pack_partials(record) if type(record) is r.PartialsAdded else _pack_fields(record)
        out += _HEAD.pack(_NUMBERS[type(record)], len(body))
        out += body
    return bytes(out)


def _pack_fields(record: Any) -> bytes:
    out = bytearray()
    for value, kind in zip(record, _TYPES[type(record)], strict=True):
        if kind is int:
            out += _INT.pack(value)
        elif kind is float:
            out += _FLOAT.pack(value)
        else:
            data = value.encode() if kind is str else value
            out += _SIZE.pack(len(data))
            out += data
    return bytes(out)


def _pack_partials(record: r.PartialsAdded) -> bytes:
    out = bytearray(_SIZE.pack(len(record.rows)))
    for query, task, data in record.rows:
        out += _ROW.pack(query, task, len(data))
        out += data
    return bytes(out)


class Unpacker:
    """Takes bytes piece by piece and gives the records that are whole."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def empty(self) -> bool:
        """Whether nothing of a record is left."""
        return not self._rest

    def feed(self, data: bytes) -> list[r.Record]:
        """The records that `data` completes. Raises RowsError."""
        rest = self._rest
        rest += data
        found: list[r.Record] = []
        at = 0
        while len(rest) - at >= _HEAD.size:
            number, size = _HEAD.unpack_from(rest, at)
            if number >= len(KINDS) or size > RECORD_BYTES_MAX:
                raise RowsError(f"kind {number} with {size} bytes is no record")
            end = at + _HEAD.size + size
            if end > len(rest):
                break
            found.append(_unpack(KINDS[number], bytes(rest[at + _HEAD.size : end])))
            at = end
        del rest[:at]
        return found


def unpack(data: bytes) -> list[r.Record]:
    """All records in `data`. Raises RowsError."""
    unpacker = Unpacker()
    found = unpacker.feed(data)
    if not unpacker.empty:
        raise RowsError("the last record is cut off")
    return found


def _unpack(kind: Any, body: bytes) -> r.Record:
    try:
        if kind is r.PartialsAdded:
            return r.PartialsAdded(_unpack_partials(body))
        return _unpack_fields(kind, body)
    except (struct.error, UnicodeDecodeError) as error:
        raise RowsError(f"{kind.__name__}: {error}") from None


def _unpack_fields(kind: Any, body: bytes) -> r.Record:
    values: list[Any] = []
    at = 0
    for wanted in _TYPES[kind]:
        if wanted is int:
            values += _INT.unpack_from(body, at)
            at += _INT.size
        elif wanted is float:
            values += _FLOAT.unpack_from(body, at)
            at += _FLOAT.size
        else:
            (size,) = _SIZE.unpack_from(body, at)
            at += _SIZE.size
            data = _cut(body, at, size)
            values.append(data.decode() if wanted is str else data)
            at += size
    if at != len(body):
        raise RowsError(f"{kind.__name__}: {len(body) - at} bytes too many")
    record: r.Record = kind(*values)
    return record


def _unpack_partials(body: bytes) -> list[tuple[int, int, bytes]]:
    (count,) = _SIZE.unpack_from(body)
    rows: list[tuple[int, int, bytes]] = []
    at = _SIZE.size
    for _ in range(min(count, len(body) // _ROW.size)):
        query, task, size = _ROW.unpack_from(body, at)
        at += _ROW.size
        rows.append((query, task, _cut(body, at, size)))
        at += size
    if len(rows) != count or at != len(body):
        raise RowsError("PartialsAdded: its count is not that of its rows")
    return rows


def _cut(body: bytes, at: int, size: int) -> bytes:
    if size > len(body) - at:
        raise RowsError(f"{size} bytes claimed, {len(body) - at} left")
    return body[at : at + size]
