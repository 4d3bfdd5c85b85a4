"""Shared by the kernel tests: streams as arrays, and results that compare bit for bit."""

import struct
from array import array

import pytest

CODES = {"i16": "h", "i32": "i", "f32": "f"}


def same(a, b):
    """Equal numbers bit for bit (NaN equals NaN), through dicts and lists."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack("d", a) == struct.pack("d", b) or (a != a and b != b)
    return a == b


@pytest.fixture
def stream():
    """Numbers to an array of a dtype."""
    return lambda dtype, values: array(CODES[dtype], values)
