"""Random messages of any class, from the schema."""

import math
import struct
from random import Random

import pytest

from atoll.wire.schema import FIELDS, Array, Bytes, Flag, Int, Real, Record, Text, Uint

CHARACTERS = "abcXYZ09._- üß水\U0001f30a"


class MessageMaker:
    """Makes messages within their bounds; values at the bounds are likely."""

    def __init__(self, seed):
        self.random = Random(seed)

    def make(self, cls, items_max=4, bytes_max=200):
        """A message or record of class `cls`."""
        self.items_max, self.bytes_max = items_max, bytes_max
        return cls(*(self.value(shape) for _, shape in FIELDS[cls]))

    def value(self, shape):
        """A value of a shape."""
        match shape:
            case Uint(most):
                return self.integer(0, most)
            case Int(least, most):
                return self.integer(least, most)
            case Real():
                return self.real()
            case Flag():
                return self.random.random() < 0.5
            case Text(most):
                return self.text(min(most, self.bytes_max))
            case Bytes(most, least):
                size = self.random.randint(least, max(least, min(most, self.bytes_max)))
                return self.random.randbytes(size)
            case Record(cls):
                return cls(*(self.value(inner) for _, inner in FIELDS[cls]))
            case Array(item, most):
                count = self.random.randint(0, min(most, self.items_max))
                return [self.value(item) for _ in range(count)]
        raise AssertionError(shape)

    def integer(self, least, most):
        """Small, any, or at a bound."""
        edges = [least, most, min(most, 23), min(most, 24), max(least, -1)]
        return self.random.choice([*edges, self.random.randint(least, most)])

    def real(self):
        """Floats of all three widths."""
        value = math.nan
        while not math.isfinite(value):
            letter, size = self.random.choice([("e", 2), ("f", 4), ("d", 8)])
            (value,) = struct.unpack(letter, self.random.randbytes(size))
        return self.random.choice([0.0, -0.0, 1.0, 12000.0, value])

    def text(self, most):
        """Characters of one to four bytes, at most `most` bytes in all."""
        text = "".join(self.random.choices(CHARACTERS, k=self.random.randint(0, most)))
        return text.encode()[:most].decode(errors="ignore")


@pytest.fixture
def maker():
    """A message maker with a seed of its own."""
    return MessageMaker(5)
