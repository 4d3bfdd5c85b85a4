"""What comes out of an IIO buffer: scans, taken apart by the types in `scan_elements`.

A type is `[be|le]:[s|u]BITS/STORAGE[XREPEAT]>>SHIFT`, as in `le:s12/16>>4`: the value is `BITS`
wide, after a shift to the right, within `STORAGE` bits (kernel documentation, iio/buffers). In a
scan each element lies at a multiple of its own storage size, and the scan's length is a multiple of
the largest.
"""

import sys
from array import array
from collections.abc import Iterable
from typing import NamedTuple

# Array codes by bytes of storage, unsigned and signed.
_CODES = {1: "Bb", 2: "Hh", 4: "Ii", 8: "Qq"}
_RANGES = {"h": (-(2**15), 2**15 - 1), "i": (-(2**31), 2**31 - 1)}
REPEAT_MAX = 16
TIMESTAMP = "timestamp"


class Element(NamedTuple):
    """One channel in a scan. `storage` in bytes; `offset` is added to each value."""

    name: str
    order: int
    big_endian: bool
    signed: bool
    bits: int
    storage: int
    repeat: int
    shift: int
    offset: int = 0

    @property
    def names(self) -> list[str]:
        """Its streams: more than one where values are repeated (a quaternion)."""
        if self.repeat == 1:
            return [self.name]
        return [f"{self.name}.{at}" for at in range(self.repeat)]

    @property
    def code(self) -> str:
        """Array code of what it becomes: i16 where every value fits, else i32."""
        return "h" if self.bits < 16 + self.signed and not self.offset else "i"


def parse_type(name: str, order: int, text: str, offset: int = 0) -> Element:
    """An element by its type. Raises `ValueError`."""
    endian, colon, rest = text.partition(":")
    rest, arrow, shift = rest.partition(">>")
    bits, slash, storage = rest[1:].partition("/")
    storage, cross, repeat = storage.partition("X")
    numbers = (bits, storage, repeat if cross else "1", shift if arrow else "0")
    right = endian in ("be", "le") and colon and slash and rest[:1] in ("s", "u")
    if not right or not all(one.isdecimal() and len(one) < 4 for one in numbers):
        raise ValueError(f"{name}: {text!r} is no type of a scan element")
    width, stored, times, by = (int(one) for one in numbers)
    if stored // 8 not in _CODES or stored % 8 or not 0 < width <= stored - by:
        raise ValueError(f"{name}: {text!r}: {width} bits do not lie in {stored} shifted by {by}")
    if not 0 < times <= REPEAT_MAX or times & (times - 1):
        raise ValueError(f"{name}: {text!r}: {times} times, no power of two up to {REPEAT_MAX}")
    element = Element(name, order, endian == "be", rest[0] == "s", width, stored // 8, times, by)
    return element._replace(offset=offset)


class Scan:
    """The layout of a scan with some elements, the timestamp included if it is one of them."""

    def __init__(self, elements: Iterable[Element]) -> None:
        self._places: list[tuple[Element, int]] = []
        at, widest = 0, 1
        for element in sorted(elements, key=lambda one: one.order):
            # Repeated values are aligned together.
            size = element.storage * element.repeat
            at = -(-at // size) * size
            self._places.append((element, at))
            at += size
            widest = max(widest, size)
        self.size = -(-at // widest) * widest

    @property
    def elements(self) -> list[Element]:
        """What is sampled, without the timestamp, in the scan's order."""
        return [element for element, _ in self._places if element.name != TIMESTAMP]

    def columns(self, data: bytes) -> list[bytes]:
        """Whole scans as one column for each name of each element: i16 or i32, little-endian."""
        found = []
        for element, place in self._places:
            if element.name != TIMESTAMP:
                for at in range(element.repeat):
                    found.append(self._column(data, element, place + at * element.storage))
        return found

    def timestamps(self, data: bytes) -> list[int]:
        """The scans' times in ns; empty if they have none."""
        for element, place in self._places:
            if element.name == TIMESTAMP:
                return self._raw(data, element, place, signed=True).tolist()
        return []

    def _raw(self, data: bytes, element: Element, place: int, *, signed: bool) -> "array[int]":
        """What is stored, in this machine's order of bytes."""
        code = _CODES[element.storage][signed]
        raw = array(code)
        # The view steps in units of the storage: places and the scan's size are multiples of it.
        view = memoryview(data).cast(code)  # type: ignore[call-overload]
        raw.frombytes(view[place // element.storage :: self.size // element.storage].tobytes())
        if element.big_endian != (sys.byteorder == "big"):
            raw.byteswap()
        return raw

    def _column(self, data: bytes, element: Element, place: int) -> bytes:
        whole = element.bits == element.storage * 8
        raw = self._raw(data, element, place, signed=whole and element.signed)
        if whole and element.code == raw.typecode and not element.offset:
            return raw.tobytes()
        mask, sign = (1 << element.bits) - 1, 1 << (element.bits - 1) if element.signed else 0
        shift, offset = element.shift, element.offset
        values = raw if whole else ((((one >> shift) & mask) ^ sign) - sign for one in raw)
        low, high = _RANGES[element.code]
        return array(
            element.code, [min(max(value + offset, low), high) for value in values]
        ).tobytes()
