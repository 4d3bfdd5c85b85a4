"""The shapes that a message field may have, with the bounds the decoder enforces.

A message is a NamedTuple registered with `message`; on the wire it is a CBOR map with integer keys:
key 0 holds the message's type number, key n its n-th field. A record nested in a message is a
NamedTuple registered with `record` and travels as an array, field by field. `atoll.cddl` says the
same for other languages; a test holds the two together.

NamedTuples, not dataclasses: `dataclasses` pulls in `inspect`, about a megabyte that a small board
does not have.
"""

from typing import Any, NamedTuple, TypeVar

U8 = 2**8 - 1
U16 = 2**16 - 1
U32 = 2**32 - 1
U64 = 2**64 - 1
I64 = 2**63 - 1


class Uint(NamedTuple):
    """An integer from 0 to `most`."""

    most: int


class Int(NamedTuple):
    """An integer from `least` to `most`."""

    least: int
    most: int


class Real(NamedTuple):
    """A finite binary64 number; it travels in the shortest float form that keeps its value."""


class Flag(NamedTuple):
    """True or false."""


class Text(NamedTuple):
    """UTF-8 of at most `most` bytes."""

    most: int


class Bytes(NamedTuple):
    """A byte string of `least` to `most` bytes."""

    most: int
    least: int = 0


class Record(NamedTuple):
    """A nested record: an array with one item per field of `cls`."""

    cls: type


class Array(NamedTuple):
    """At most `most` items of one shape."""

    item: "Shape"
    most: int


Shape = Uint | Int | Real | Flag | Text | Bytes | Record | Array

M = TypeVar("M", bound=type)

MESSAGES: dict[int, type] = {}
NUMBERS: dict[type, int] = {}
FIELDS: dict[type, tuple[tuple[str, Shape], ...]] = {}


def _register(cls: Any, shapes: dict[str, Shape]) -> None:
    if tuple(shapes) != cls._fields:
        raise TypeError(f"{cls.__name__}: schema fields {tuple(shapes)} are not {cls._fields}")
    FIELDS[cls] = tuple(shapes.items())


def record(cls: M, /, **shapes: Shape) -> M:
    """Give the shapes of a nested record's fields, in their order."""
    _register(cls, shapes)
    return cls


def message(number: int, cls: M, /, **shapes: Shape) -> M:
    """Give a message its type number and the shapes of its fields, in their order."""
    if number in MESSAGES:
        raise TypeError(f"message number {number} is taken by {MESSAGES[number].__name__}")
    _register(cls, shapes)
    MESSAGES[number] = cls
    NUMBERS[cls] = number
    return cls
