"""Checks of decoded (or to be encoded) values against the schema, compiled once per field.

A check takes a column: the values that one field has in all records of a list, a single value being
a column of one. Types, lengths and ranges of a whole column are then compared by `set`, `max` and
`min` at C speed, so that 512 partials cost a few hundred nanoseconds each and not a few
microseconds. A check returns the column, converted where the two sides differ (rows become tuples
of the record's class), or raises `Refused`, which names the field.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, islice
from math import isfinite
from typing import Any

from atoll.wire.schema import (
    FIELDS,
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

Column = Sequence[Any]
Check = Callable[[Column], Column]


class Refused(Exception):
    """A value outside the schema: `reason` is "type", "range", "length" or "fields"."""

    def __init__(self, reason: str, where: str, wanted: str) -> None:
        super().__init__(f"{where}: {wanted}")
        self.reason = reason


def compile_check(shape: Shape, where: str, *, outgoing: bool) -> Check:
    """The check for columns of `shape`; `where` names the field in refusals.

    Incoming values are what cbor2 makes (lists, floats where reals are); outgoing ones what our
    code writes: records as their NamedTuples, any list or tuple as an array, an integer where a
    real is wanted.
    """
    match shape:
        case Uint(most):
            return _integers(0, most, where)
        case Int(least, most):
            return _integers(least, most, where)
        case Real():
            return _reals(where, outgoing=outgoing)
        case Flag():
            return _flags(where)
        case Text(most):
            return _texts(most, where)
        case Bytes(most, least):
            return _byte_strings(least, most, where)
        case Record(cls):
            return _records(cls, where, outgoing=outgoing)
        case Array(item, most):
            inner = compile_check(item, where, outgoing=outgoing)
            return _arrays(inner, most, where, outgoing=outgoing)


def _integers(least: int, most: int, where: str) -> Check:
    def check(values: Column) -> Column:
        if {*map(type, values)} != {int}:
            raise Refused("type", where, "an integer is wanted")
        if min(values) < least or max(values) > most:
            raise Refused("range", where, f"{least} to {most} is allowed")
        return values

    return check


def _reals(where: str, *, outgoing: bool) -> Check:
    def check(values: Column) -> Column:
        if outgoing and int in {*map(type, values)}:
            try:
                values = [float(value) if type(value) is int else value for value in values]
            except OverflowError:
                raise Refused("range", where, "a finite number is wanted") from None
        if {*map(type, values)} != {float}:
            raise Refused("type", where, "a float is wanted")
        if not all(map(isfinite, values)):
            raise Refused("range", where, "a finite number is wanted")
        return values

    return check


def _flags(where: str) -> Check:
    def check(values: Column) -> Column:
        if {*map(type, values)} != {bool}:
            raise Refused("type", where, "true or false is wanted")
        return values

    return check


def _texts(most: int, where: str) -> Check:
    def check(values: Column) -> Column:
        if {*map(type, values)} != {str}:
            raise Refused("type", where, "a text is wanted")
        # A character is at most four bytes: most columns need no second look.
        if max(map(len, values)) * 4 > most and max(map(len, map(str.encode, values))) > most:
            raise Refused("length", where, f"at most {most} bytes are allowed")
        return values

    return check


def _byte_strings(least: int, most: int, where: str) -> Check:
    def check(values: Column) -> Column:
        if {*map(type, values)} != {bytes}:
            raise Refused("type", where, "a byte string is wanted")
        sizes = {*map(len, values)}
        if max(sizes) > most or min(sizes) < least:
            raise Refused("length", where, f"{least} to {most} bytes are allowed")
        return values

    return check


def _records(cls: Any, where: str, *, outgoing: bool) -> Check:
    fields = [
        compile_check(shape, f"{where}.{name}", outgoing=outgoing) for name, shape in FIELDS[cls]
    ]
    count = {len(fields)}
    rows_are = {cls} if outgoing else {list}
    make: Callable[[Any], Any] = partial(tuple.__new__, cls)

    def check(rows: Column) -> Column:
        if {*map(type, rows)} != rows_are:
            raise Refused("type", where, f"a record {cls.__name__} is wanted")
        if {*map(len, rows)} != count:
            raise Refused("fields", where, f"{len(fields)} fields are wanted")
        columns = [
            field(column) for field, column in zip(fields, zip(*rows, strict=True), strict=True)
        ]
        return [*map(make, zip(*columns, strict=True))]

    return check


def _arrays(inner: Check, most: int, where: str, *, outgoing: bool) -> Check:
    arrays_are = {list, tuple} if outgoing else {list}

    def check(values: Column) -> Column:
        if not {*map(type, values)} <= arrays_are:
            raise Refused("type", where, "a list is wanted")
        sizes = [*map(len, values)]
        if max(sizes) > most:
            raise Refused("length", where, f"at most {most} items are allowed")
        flat: Column = [*chain.from_iterable(values)]
        if flat:
            flat = inner(flat)
        if len(sizes) == 1:
            return [list(flat)]
        rest = iter(flat)
        return [[*islice(rest, size)] for size in sizes]

    return check
