"""Messages to bytes and back: deterministic CBOR (RFC 8949 section 4.2), bounded before it is
believed.

What comes in passes four gates, in this order: its size; one pass over the bytes (well-formed,
deterministic, no deeper and no more items than allowed, no length claimed that is not there);
whether this receiver takes this type of message at all; and the schema's types and bounds. Each
refusal is a `DecodeError` with a reason to count by. What goes out passes the schema too, and then
the first gates: a peer is never sent what it must refuse.

What is right takes the straight way (forms.py), without a tree between message and bytes. The rest,
which is wrong or of another version, goes by cbor2 and columns.py, which know what to say of it.

Versions: a message's map may grow at its end. Keys above the last one known here are skipped;
fields that an older sender does not know yet take the defaults of the NamedTuple, and without a
default the message is refused. Records never grow.
"""

from collections.abc import Container
from typing import Any, NamedTuple

from atoll.wire import limits, messages
from atoll.wire._cbor import dumps, halve_float, loads
from atoll.wire._native import check
from atoll.wire.columns import Check, Refused, compile_check
from atoll.wire.errors import DecodeError, EncodeError
from atoll.wire.forms import compile_form
from atoll.wire.schema import FIELDS, MESSAGES, NUMBERS

# Reasons by the codes of portable/cbor.pxi.
CHECK_REASONS = (
    "ok",
    "truncated",
    "trailing",
    "reserved",
    "indefinite",
    "not-shortest",
    "tag",
    "simple",
    "nan",
    "utf8",
    "key",
    "order",
    "depth",
    "items",
    "claim",
)
_NOT_SHORTEST = CHECK_REASONS.index("not-shortest")
_SINGLE_HEAD = 0xFA

Message = Any  # one of the NamedTuples of messages.py


# Compiled at first use: a device neither sends nor takes most of the messages.
_straight: dict[type, Any] = {}


def _straight_form(cls: type, number: int) -> Any:
    form = _straight[cls] = compile_form(number)
    return form


class _Form(NamedTuple):
    """A message compiled: its keys, and for each field the checks of what comes in and goes out."""

    cls: Any
    keys: list[int]
    incoming: list[Check]
    outgoing: list[Check]


def _compile(number: int) -> _Form:
    cls = MESSAGES[number]
    checks = [
        [
            compile_check(shape, f"{cls.__name__}.{name}", outgoing=out)
            for name, shape in FIELDS[cls]
        ]
        for out in (False, True)
    ]
    return _Form(cls, [*range(len(checks[0]) + 1)], checks[0], checks[1])


_forms: dict[int, _Form] = {}


def _form(number: int) -> _Form:
    if number not in _forms:
        _forms[number] = _compile(number)
    return _forms[number]


def encode(message: Message) -> bytes:
    """The bytes of a message, the same for the same values on every machine.

    More than `limits.MESSAGE_BYTES_MAX` bytes go out only by way of `split`. Raises `EncodeError`.
    """
    number = NUMBERS.get(type(message))
    if number is None:
        raise EncodeError("type", f"{type(message).__name__} is no message of the schema")
    kind = type(message)
    data = (_straight.get(kind) or _straight_form(kind, number)).encode(message)
    if data is None:
        data = _encode_slowly(message, number)
    if len(data) > limits.OBJECT_BYTES_MAX:
        raise EncodeError("size", f"{kind.__name__}: {len(data)} bytes")
    return _checked(data, kind.__name__)


def _encode_slowly(message: Message, number: int) -> bytes:
    form = _form(number)
    tree: dict[int, Any] = {0: number}
    try:
        for key, check_field, value in zip(form.keys[1:], form.outgoing, message, strict=True):
            tree[key] = check_field((value,))[0]
        return dumps(tree)
    except Refused as refused:
        raise EncodeError(refused.reason, str(refused)) from None
    except UnicodeEncodeError as error:
        raise EncodeError("utf8", f"{form.cls.__name__}: {error}") from None


def _checked(data: bytes, name: str) -> bytes:
    """`data` once it has passed the first gates; a float that cbor2 wrote too long is put right."""
    while True:
        code, offset = check(data, _items_max(len(data)), limits.DEPTH_MAX)
        if not code:
            return data
        if code != _NOT_SHORTEST or data[offset] != _SINGLE_HEAD:
            raise EncodeError(CHECK_REASONS[code], f"{name}: at byte {offset}")
        data = halve_float(data, offset)


def decode(
    data: bytes,
    *,
    allowed: Container[type] | None = None,
    size_max: int = limits.MESSAGE_BYTES_MAX,
) -> Message:
    """The message in `data`, checked; `allowed`: the message classes that are expected here (None:
    any).

    An object that an `Assembler` put together is decoded with `size_max=limits.OBJECT_BYTES_MAX`.
    Raises `DecodeError`.
    """
    size = len(data)
    if size > size_max:
        raise DecodeError("size", f"{size} bytes, at most {size_max} are allowed")
    code, offset = check(data, _items_max(size), limits.DEPTH_MAX)
    if code:
        raise DecodeError(CHECK_REASONS[code], f"no deterministic CBOR at byte {offset}")
    number = _number(data)
    if number not in MESSAGES:
        raise DecodeError("unknown", f"message type {number} is not known")
    cls = MESSAGES[number]
    if allowed is not None and cls not in allowed:
        raise DecodeError("unexpected", f"{cls.__name__} has no business here")
    if type(data) is bytes:
        message = (_straight.get(cls) or _straight_form(cls, number)).decode(data)
        if message is not None:
            return message
    return _decode_slowly(data, number)


def _decode_slowly(data: bytes, number: int) -> Message:
    form = _form(number)
    tree = loads(data)
    try:
        values = _fields(tree, form)
        checked = [one((value,))[0] for one, value in zip(form.incoming, values, strict=True)]
    except Refused as refused:
        raise DecodeError(refused.reason, str(refused)) from None
    return tuple.__new__(form.cls, checked)


def _items_max(size: int) -> int:
    return limits.ITEMS_MAX if size <= limits.MESSAGE_BYTES_MAX else limits.OBJECT_ITEMS_MAX


def _number(data: bytes) -> int:
    """The type number, read from checked bytes: keys are sorted, so that key 0 comes first. -1:
    there is none.
    """
    at = {0xB8: 2, 0xB9: 3}.get(data[0], 1)
    if data[0] >> 5 != 5 or data[0] == 0xA0 or data[at] != 0 or data[at + 1] > 0x18:
        return -1
    return data[at + 2] if data[at + 1] == 0x18 else data[at + 1]


def _fields(tree: dict[Any, Any], form: _Form) -> list[Any]:
    """The values of a message's fields in their order; see the module on versions."""
    if [*tree] == form.keys:
        return [*tree.values()][1:]
    known = len(form.keys)
    defaults = form.cls._field_defaults
    values = []
    for key, name in enumerate(form.cls._fields, 1):
        if key not in tree and name not in defaults:
            raise Refused("fields", f"{form.cls.__name__}.{name}", "it is missing")
        values.append(tree.pop(key) if key in tree else _as_sent(defaults[name]))
    if any(type(key) is not int or key < 0 for key in tree) or len(tree) > known + _GROWTH_MAX:
        raise Refused("fields", form.cls.__name__, "its keys are the numbers of its fields")
    return values


def _as_sent(default: Any) -> Any:
    """A field's default in the shape in which it would have come: records are arrays."""
    return [*default] if isinstance(default, tuple) else default


# Fields that a newer version may have added: more are no version next to ours.
_GROWTH_MAX = 16


def split(data: bytes, object_id: bytes, limit: int) -> list[bytes]:
    """`data` itself if the receiver's `limit` bears it, else encoded `Part` messages of at most
    `limit` bytes each.

    `object_id` is 16 random bytes, new for each object. Raises `EncodeError` with both sizes if it
    cannot fit.
    """
    if len(data) <= limit:
        return [data]
    step = min(limit - limits.PART_ENVELOPE_BYTES, limits.PART_BYTES_MAX)
    if step <= 0 or len(data) > step * limits.PARTS_MAX:
        most = max(step, 0) * limits.PARTS_MAX
        raise EncodeError(
            "size", f"{len(data)} bytes; the receiver takes {most} in parts of {limit}"
        )
    digest = _sha256(data)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    return [
        encode(messages.Part(object_id, number, len(pieces), digest, piece))
        for number, piece in enumerate(pieces)
    ]


def _sha256(data: bytes) -> bytes:
    # Brings in libcrypto, which a device that never meets a large object need not load.
    import hashlib

    return hashlib.sha256(data).digest()


class Assembler:
    """Puts objects together from their parts, in any order, for one sender and with a bound on
    everything.

    At most `limits.ASSEMBLIES_MAX` objects and `bytes_max` bytes are under way; over either, the
    object that was touched the longest ago goes, and `dropped` counts it. A repeated part is
    ignored.
    """

    def __init__(self, bytes_max: int = limits.OBJECT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._open: dict[bytes, tuple[bytes, int, dict[int, bytes]]] = {}
        self.dropped = 0

    def add(self, part: messages.Part) -> bytes | None:
        """The whole object if `part` was its last missing one. Raises `DecodeError` if the parts do
        not agree.
        """
        if part.of == 0 or part.of > limits.PARTS_MAX or part.number >= part.of:
            raise DecodeError("parts", f"part {part.number} of {part.of}")
        digest, count, pieces = self._open.pop(part.object_id, (part.digest, part.of, {}))
        if (digest, count) != (part.digest, part.of):
            raise DecodeError("parts", "parts of one object disagree on its digest or count")
        pieces.setdefault(part.number, part.data)
        if len(pieces) == count:
            whole = b"".join(pieces[number] for number in range(count))
            if _sha256(whole) != digest:
                raise DecodeError("digest", f"an object of {count} parts is damaged")
            return whole
        self._open[part.object_id] = (digest, count, pieces)
        self._evict()
        return None

    def _evict(self) -> None:
        while len(self._open) > limits.ASSEMBLIES_MAX or self.pending_bytes() > self._bytes_max:
            del self._open[next(iter(self._open))]
            self.dropped += 1

    def pending_bytes(self) -> int:
        """Bytes held for objects that are not whole yet."""
        return sum(len(piece) for _, _, pieces in self._open.values() for piece in pieces.values())
