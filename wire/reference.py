"""The well-formedness check of portable/cbor.pxi once more, slow and readable: the oracle of its
tests.

Recursive, on Python's own integers and floats, one rule a line, so that it can be read beside RFC
8949. It gives the same reason and the same offset as the fast pass for every input; nothing but
tests uses it.
"""

import struct

from atoll.wire.errors import DecodeError


def check(data: bytes, items_max: int, depth_max: int) -> tuple[str, int]:
    """("ok", size) or the reason and the offset of the head of the first item that is wrong."""
    reader = _Reader(data, items_max, depth_max)
    try:
        reader.item(0, is_key=False)
    except DecodeError as error:
        return error.reason, reader.start
    if reader.at < len(data):
        return "trailing", reader.at
    return "ok", reader.at


def crc32c(data: bytes, crc: int = 0) -> int:
    """CRC-32C bit by bit."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def _refuse(reason: str) -> DecodeError:
    return DecodeError(reason, "no deterministic CBOR")


class _Reader:
    def __init__(self, data: bytes, items_max: int, depth_max: int) -> None:
        self.data = data
        self.items_left = items_max
        self.depth_max = depth_max
        self.at = 0
        self.start = 0  # the head of the item that is being read

    def item(self, depth: int, *, is_key: bool) -> bytes:
        """Read one item inside `depth` open arrays and maps; the bytes of its encoding."""
        start = self.start = self.at
        major, argument = self.head()
        if is_key and major > 3:
            raise _refuse("key")
        if major in (2, 3):
            self.string(argument, is_text=major == 3)
        elif major in (4, 5):
            self.container(argument, depth, is_map=major == 5)
        return self.data[start : self.at]

    def head(self) -> tuple[int, int]:
        """Major type and argument of the next item."""
        if self.at == len(self.data):
            raise _refuse("truncated")
        if self.items_left == 0:
            raise _refuse("items")
        self.items_left -= 1
        major, info = self.data[self.at] >> 5, self.data[self.at] & 31
        self.at += 1
        if info == 31 and major in (2, 3, 4, 5, 7):
            raise _refuse("indefinite")
        if info >= 28:
            raise _refuse("reserved")
        argument = info
        if info >= 24:
            width = 2 ** (info - 24)
            if self.at + width > len(self.data):
                raise _refuse("truncated")
            argument = int.from_bytes(self.data[self.at : self.at + width], "big")
            self.at += width
        if major == 6:
            raise _refuse("tag")
        if major == 7:
            if info <= 24 and info not in (20, 21, 22):
                raise _refuse("simple")
            if info >= 25:
                self.check_float(info)
        elif info >= 24 and argument < (24, 2**8, 2**16, 2**32)[info - 24]:
            raise _refuse("not-shortest")
        return major, argument

    def string(self, size: int, *, is_text: bool) -> None:
        """Skip a string's bytes."""
        if self.at + size > len(self.data):
            raise _refuse("claim")
        content = self.data[self.at : self.at + size]
        if is_text:
            try:
                content.decode()
            except UnicodeDecodeError:
                raise _refuse("utf8") from None
        self.at += size

    def container(self, size: int, depth: int, *, is_map: bool) -> None:
        """Read the items of an array, or the keys and values of a map."""
        start = self.start
        count = size * 2 if is_map else size
        if count > len(self.data) - self.at:
            raise _refuse("claim")
        if count > self.items_left:
            raise _refuse("items")
        if depth >= self.depth_max:
            raise _refuse("depth")
        last_key = b""
        for number in range(count):
            if is_map and number % 2 == 0:
                key = self.item(depth + 1, is_key=True)
                if last_key and key <= last_key:
                    raise _refuse("order")
                last_key = key
            else:
                self.item(depth + 1, is_key=False)
        self.start = start

    def check_float(self, info: int) -> None:
        """Shortest form that keeps the value; one NaN."""
        letter, size = {25: ("e", 2), 26: ("f", 4), 27: ("d", 8)}[info]
        raw = self.data[self.at - size : self.at]
        (value,) = struct.unpack(f">{letter}", raw)
        if value != value:
            if raw != b"\x7e\x00":
                raise _refuse("nan")
            return
        for shorter, width in (("e", 2), ("f", 4)):
            if width < size and _fits(value, shorter):
                raise _refuse("not-shortest")


def _fits(value: float, letter: str) -> bool:
    """Whether a shorter float keeps `value`."""
    try:
        packed = struct.pack(f">{letter}", value)
    except OverflowError:
        return False
    return bool(struct.unpack(f">{letter}", packed)[0] == value)
