"""The schema compiled for the straight way between messages and bytes (_native_schema.pyx)."""

from atoll.wire import _native_schema as native
from atoll.wire.schema import (
    FIELDS,
    MESSAGES,
    Array,
    Bytes,
    Flag,
    Int,
    Real,
    Record,
    Shape,
    Text,
    Uint,
)

# As _native_schema.pyx numbers them.
_UINT, _INT, _REAL, _FLAG, _TEXT, _BYTES, _RECORD, _ARRAY = range(8)


def compile_form(number: int) -> native.Form:
    """The form of the message of that type number."""
    cls = MESSAGES[number]
    return native.Form(number, cls, [_compile(shape) for _, shape in FIELDS[cls]])


def _compile(shape: Shape) -> native.Shape:
    match shape:
        case Uint(most):
            return native.Shape(_UINT, 0, most)
        case Int(least, most):
            return native.Shape(_INT, least, most)
        case Real():
            return native.Shape(_REAL)
        case Flag():
            return native.Shape(_FLAG)
        case Text(most):
            return native.Shape(_TEXT, 0, most)
        case Bytes(most, least):
            return native.Shape(_BYTES, least, most)
        case Record(cls):
            fields = [_compile(field) for _, field in FIELDS[cls]]
            return native.Shape(_RECORD, cls=cls, fields=fields)
        case Array(item, most):
            return native.Shape(_ARRAY, 0, most, item=_compile(item))
