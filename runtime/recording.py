"""Recordings on disk, read a piece at a time and believed only within bounds: .npy and .csv.

A .npy holds one dimension of little-endian i16, i32 or f32; its header is parsed here, in a few
lines and without numpy. A .csv holds one number a line (of several columns the last; a first line
that is no number is a heading): whole numbers become i32, any other f32.
"""

import os
from array import array
from collections.abc import Iterator

from atoll.runtime.errors import UsageError

DTYPES = {"<i2": "i16", "<i4": "i32", "<f4": "f32"}
SIZES = {"i16": 2, "i32": 4, "f32": 4}
# numpy's own headers are 128 bytes for one dimension.
HEADER_MAX = 10_000
CSV_BYTES_MAX = 64 * 1_048_576
LINE_MAX = 4_096
_I32 = range(-(2**31), 2**31)
_F32_MAX = 3.4028234663852886e38


class Recording:
    """Samples in a file (`read` returns their bytes) or, of a .csv, in memory."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._memory: bytes | None = None
        self._start = 0
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._size = os.fstat(self._file).st_size
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
        suffix = os.path.splitext(path)[1].lower()
        try:
            if suffix == ".npy":
                self.dtype, self.samples = self._npy()
            elif suffix == ".csv":
                self.dtype, self.samples = self._csv()
            else:
                raise UsageError(f"{path}: .npy or .csv is wanted, not {suffix or 'no suffix'}")
            if not self.samples:
                raise UsageError(f"{path}: empty; a stream needs a sample at least")
        except (OSError, UsageError):
            os.close(self._file)
            raise

    def read(self, first: int, count: int) -> bytes:
        """Samples first to first + count, fewer at the end. Raises OSError."""
        width = SIZES[self.dtype]
        count = max(0, min(count, self.samples - first))
        at, size = first * width, count * width
        if self._memory is not None:
            return self._memory[at : at + size]
        return os.pread(self._file, size, self._start + at)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)

    def _npy(self) -> tuple[str, int]:
        head = os.pread(self._file, 12, 0)
        if len(head) < 10 or head[:6] != b"\x93NUMPY":
            raise UsageError(f"{self.path}: no .npy file")
        if head[6] == 1:
            size, at = int.from_bytes(head[8:10], "little"), 10
        elif head[6] in (2, 3):
            size, at = int.from_bytes(head[8:12], "little"), 12
        else:
            raise UsageError(f"{self.path}: .npy version {head[6]}; 1 to 3 are known")
        text = os.pread(self._file, size, at) if size <= HEADER_MAX else b""
        if len(text) < size or not text:
            raise UsageError(f"{self.path}: torn or overlong .npy header of {size} bytes")
        members = header_members(text.decode("latin-1"))
        descr, shape = members.get("descr", ""), members.get("shape", "")
        if descr not in DTYPES:
            wanted = "int16, int32 or float32, little-endian"
            raise UsageError(f"{self.path}: samples are {descr or 'of an unknown type'}; {wanted}")
        sizes = [part.strip() for part in shape.strip("()").split(",") if part.strip()]
        if len(sizes) != 1 or not sizes[0].isdecimal() or len(sizes[0]) > 15:
            raise UsageError(f"{self.path}: shape {shape}; a stream has one dimension")
        self._start = at + size
        count, there = int(sizes[0]), self._size - self._start
        wanted_bytes = count * SIZES[DTYPES[descr]]
        if there < wanted_bytes:
            raise UsageError(f"{self.path}: torn: {there} of {wanted_bytes} bytes are there")
        return DTYPES[descr], count

    def _csv(self) -> tuple[str, int]:
        if self._size > CSV_BYTES_MAX:
            raise UsageError(f"{self.path}: {self._size} bytes; save more than 64 MiB as .npy")
        numbers: list[str] = list(self._csv_fields())
        whole = all(_is_whole(text) for text in numbers)
        if whole:
            self._memory = array("i", map(int, numbers)).tobytes()
        else:
            values = [float(text) for text in numbers]
            if any(_F32_MAX < abs(value) < float("inf") for value in values):
                raise UsageError(f"{self.path}: a number does not fit in a 32-bit float")
            self._memory = array("f", values).tobytes()
        return ("i32" if whole else "f32"), len(numbers)

    def _csv_fields(self) -> Iterator[str]:
        """The last column, checked to be numbers."""
        with open(self.path, encoding="utf-8", errors="replace") as file:
            number = 0
            while line := file.readline(LINE_MAX):
                number += 1
                field = line.strip().replace(";", ",").rpartition(",")[2].strip()
                if not field and not line.strip():
                    continue
                try:
                    float(field)
                except ValueError:
                    if number == 1:
                        continue
                    raise UsageError(
                        f"{self.path}: line {number}: {field[:40]!r} is no number"
                    ) from None
                yield field


def _is_whole(text: str) -> bool:
    digits = text.removeprefix("-").removeprefix("+")
    return digits.isdecimal() and len(digits) <= 10 and int(text) in _I32


def header_members(text: str) -> dict[str, str]:
    """Members of a .npy header, `{'descr': '<i2', 'shape': (9,), }`, as bare texts."""
    members: dict[str, str] = {}
    rest = text.strip().strip("{}")
    while ":" in rest:
        name, _, rest = rest.partition(":")
        rest = rest.lstrip()
        if rest.startswith("("):
            value, _, rest = rest.partition(")")
            value += ")"
        else:
            value, _, rest = rest.partition(",")
        members[name.strip(" ,'\"")] = value.strip().strip("'\"")
    return members
