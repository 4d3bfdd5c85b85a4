"""Recordings from files: .npy, .csv, .wav, and a directory that an index.json describes.

Nothing is converted that could change a number. A .npy holds i16, i32 or f32; a .csv column of
whole numbers becomes i32, any other f32, unless --dtype says; a .wav of 16 bits is i16, of 24 or 32
bits i32, and each of its channels is a stream of its own (`key.0`, `key.1`). A file whose end is
missing is refused: half a recording is not a recording. Readers need no numpy: a board's operator
has none.
"""

import ast
import csv
import json
import math
import os
import sys
import wave
from array import array
from pathlib import Path
from typing import Any, NamedTuple

TYPECODES = {"i16": "h", "i32": "i", "f32": "f"}
_NPY_TYPES = {"<i2": "i16", "<i4": "i32", "<f4": "f32"}
_NPY_HINTS = {
    "<f8": 'astype("float32")',
    "<f2": 'astype("float32")',
    "<i8": 'astype("int32")',
    "|i1": 'astype("int16")',
    "|u1": 'astype("int16")',
    "|b1": 'astype("int16")',
    "<u2": 'astype("int32")',
    ">i2": 'astype("<i2")',
    ">i4": 'astype("<i4")',
    ">f4": 'astype("<f4")',
}
# A .npy header is a short dict; numpy's own writer stays below this, and a longer one is not
# believed.
_NPY_HEADER_MAX = 10_000
_INTEGER_RANGE = {"i16": (-(2**15), 2**15 - 1), "i32": (-(2**31), 2**31 - 1)}


class FileError(Exception):
    """A file cannot be read as a recording; the message begins with its name and says what would be
    right.
    """


class Recording(NamedTuple):
    """One stream from a file. `rate_hz` is None where the file does not say."""

    key: str
    samples: "array[int] | array[float]"
    rate_hz: float | None = None
    scale: float = 1.0
    unit: str = ""
    channels: int = 1  # side by side in `samples`

    @property
    def rows(self) -> Any:
        """The samples; of several channels with the shape (samples, channels)."""
        if self.channels == 1:
            return self.samples
        shape = (len(self.samples) // self.channels, self.channels)
        flat: memoryview[Any] = memoryview(self.samples).cast("B")
        return flat.cast(self.samples.typecode, shape)  # type: ignore[arg-type]


class Reading(NamedTuple):
    """What the command line says about how to read: the key, a CSV's column and its sample type;
    whether a .npy may hold several channels.
    """

    key: str | None = None
    column: str | None = None
    dtype: str | None = None
    channels: bool = False


def load(path: str, reading: Reading | None = None) -> list[Recording]:
    """All streams of a file or of an indexed directory; the key is the file's stem unless given."""
    source = Path(path)
    reading = reading or Reading()
    if source.is_dir():
        return _load_directory(source)
    suffix = source.suffix.lower()
    if suffix not in _READERS:
        known = ", ".join(_READERS)
        raise FileError(f"{path}: {suffix or 'no suffix'}; known are {known}")
    if not source.exists():
        raise FileError(f"{path}: no such file")
    recordings = _READERS[suffix](source, reading._replace(key=reading.key or source.stem))
    for recording in recordings:
        if not recording.samples:
            raise FileError(f"{path}: empty; a stream needs at least one sample")
    return recordings


def _load_directory(folder: Path) -> list[Recording]:
    """Read the files that index.json lists: file, rate_hz, scale and unit (or
    scale_<unit>_per_count).
    """
    index = folder / "index.json"
    if not index.exists():
        raise FileError(f"{folder}: a directory without index.json")
    try:
        entries = json.loads(index.read_text())
        if not isinstance(entries, list) or not entries:
            raise ValueError("it is empty")
        return [_load_entry(folder, entry) for entry in entries]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{index}: not a list of {{file, rate_hz, ...}}: {error}") from None


def _load_entry(folder: Path, entry: dict[str, Any]) -> Recording:
    [recording] = load(str(folder / Path(entry["file"]).name), Reading(key=entry.get("key")))
    count = entry.get("samples", len(recording.samples))
    if count != len(recording.samples):
        raise FileError(
            f"{folder / entry['file']}: {len(recording.samples)} samples, index.json says {count}"
        )
    scale, unit = float(entry.get("scale", 1.0)), str(entry.get("unit", ""))
    for name, value in entry.items():
        if name.startswith("scale_") and name.endswith("_per_count"):
            scale, unit = float(value), name[len("scale_") : -len("_per_count")]
    return recording._replace(rate_hz=float(entry["rate_hz"]), scale=scale, unit=unit)


def _load_npy(path: Path, reading: Reading) -> list[Recording]:
    with path.open("rb") as file:
        header, size = _npy_header(path, file.read(10), file)
        dtype = _npy_dtype(path, header)
        shape = header["shape"]
        if len(shape) != 1 and not (reading.channels and len(shape) == 2 and _by_row(header)):
            raise FileError(
                f"{path}: shape {shape}; a stream has one dimension: "
                "save each channel apart, such as a[:, 0]"
            )
        wanted = math.prod(shape) * array(TYPECODES[dtype]).itemsize
        there = os.fstat(file.fileno()).st_size - size
        if there < wanted:
            raise FileError(f"{path}: torn: {there:,} of {wanted:,} bytes of samples are there")
        samples = array(TYPECODES[dtype])
        samples.frombytes(file.read(wanted))
    channels = shape[1] if len(shape) == 2 else 1
    return [Recording(reading.key or path.stem, samples, channels=channels)]


def _by_row(header: dict[str, Any]) -> bool:
    """Whether the numbers of one row lie side by side."""
    return not header.get("fortran_order") and header["shape"][1] > 0


def _npy_header(path: Path, start: bytes, file: Any) -> tuple[dict[str, Any], int]:
    """The header of a .npy (numpy.lib.format, versions 1 to 3) and the offset of its samples."""
    if len(start) < 10 or start[:6] != b"\x93NUMPY":
        raise FileError(f"{path}: not a .npy file (or torn in its first bytes)")
    if start[6] == 1:
        length, offset = int.from_bytes(start[8:10], "little"), 10
    elif start[6] in (2, 3):
        length, offset = int.from_bytes(start[8:10] + file.read(2), "little"), 12
    else:
        raise FileError(f"{path}: .npy version {start[6]}; known are 1 to 3")
    if length > _NPY_HEADER_MAX:
        raise FileError(f"{path}: a header of {length:,} bytes; at most {_NPY_HEADER_MAX:,}")
    text = file.read(length)
    if len(text) < length:
        raise FileError(f"{path}: torn in its header")
    try:
        header = ast.literal_eval(text.decode("utf-8"))
        if isinstance(header["descr"], str) and all(int(n) >= 0 for n in header["shape"]):
            return header, offset + length
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        pass
    raise FileError(f"{path}: its header is not that of an array of numbers")


def _npy_dtype(path: Path, header: dict[str, Any]) -> str:
    found = header["descr"]
    if found in _NPY_TYPES:
        return _NPY_TYPES[found]
    hint = _NPY_HINTS.get(found)
    how = f"convert with a.{hint} and save again" if hint else "save int16, int32 or float32"
    raise FileError(f"{path}: samples of type {found}; {how}")


def _load_csv(path: Path, reading: Reading) -> list[Recording]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
        file.seek(0)
        delimiter = next((mark for mark in ("\t", ";", ",") if mark in first), ",")
        rows = csv.reader(file, delimiter=delimiter)
        head = next(rows, None)
        if head is None:
            raise FileError(f"{path}: empty; a stream needs at least one sample")
        named = not all(_is_number(text) for text in head)
        column = _csv_column(path, head if named else [], len(head), reading.column)
        texts = [] if named else [(1, head[column])]
        for line, row in enumerate(rows, 2):
            if row:
                if len(row) <= column:
                    raise FileError(f"{path}: line {line} has {len(row)} columns, not {column + 1}")
                texts.append((line, row[column]))
    return [Recording(reading.key or path.stem, _numbers(path, texts, reading.dtype))]


def _csv_column(path: Path, names: list[str], count: int, wanted: str | None) -> int:
    """Which column to read: by name, by number from 1, or the only one."""
    names = [name.strip() for name in names]
    shown = ", ".join(names) if names else f"1 to {count}"
    if wanted is None:
        if count == 1:
            return 0
        raise FileError(f"{path}: {count} columns; choose one with --column: {shown}")
    if wanted in names:
        return names.index(wanted)
    if wanted.isdigit() and 1 <= int(wanted) <= count:
        return int(wanted) - 1
    raise FileError(f"{path}: no column {wanted!r}; there are: {shown}")


def _numbers(
    path: Path, texts: list[tuple[int, str]], dtype: str | None
) -> "array[int] | array[float]":
    """The column's numbers in the type asked for, else i32 where all are whole, else f32."""
    if dtype is None:
        dtype = "i32" if texts and all(_is_whole(text) for _, text in texts) else "f32"
    values: array[Any] = array(TYPECODES[dtype])
    for line, text in texts:
        try:
            if dtype == "f32":
                values.append(float(text) if text.strip() else float("nan"))
            else:
                values.append(int(text))
        except (ValueError, OverflowError):
            raise FileError(f"{path}: line {line}: {text!r} is no {_TYPE_WORDS[dtype]}") from None
    return values


_TYPE_WORDS = {
    "f32": "number",
    "i32": "whole number from -2147483648 to 2147483647 (--dtype f32 rounds it)",
    "i16": "whole number from -32768 to 32767 (--dtype i32 or f32 holds more)",
}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text.strip()
    return True


def _is_whole(text: str) -> bool:
    digits = text.strip()
    return digits.lstrip("+-").isdecimal()


def _load_wav(path: Path, reading: Reading) -> list[Recording]:
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate, count = file.getparams()[:4]
            frames = file.readframes(count)
    except (wave.Error, EOFError) as error:
        what = str(error) or "torn in its header"
        raise FileError(f"{path}: not a PCM .wav of 16, 24 or 32 bits: {what}") from None
    if len(frames) < count * channels * width:
        raise FileError(
            f"{path}: torn: {len(frames):,} of {count * channels * width:,} bytes are there"
        )
    if width not in (2, 3, 4):
        raise FileError(f"{path}: {8 * width} bits a sample; known are 16, 24 and 32")
    if width == 3:
        frames = _widened(frames)
    samples = array("h" if width == 2 else "i", frames)
    key = reading.key or path.stem
    if channels == 1:
        return [Recording(key, samples, float(rate))]
    return [Recording(f"{key}.{at}", samples[at::channels], float(rate)) for at in range(channels)]


def _widened(frames: bytes) -> bytes:
    """24-bit little-endian integers as 32-bit ones: the new top byte repeats the sign."""
    wide = bytearray(len(frames) // 3 * 4)
    for at in range(3):
        wide[at::4] = frames[at::3]
    wide[3::4] = frames[2::3].translate(bytes(128) + b"\xff" * 128)
    return bytes(wide)


_READERS = {".npy": _load_npy, ".csv": _load_csv, ".wav": _load_wav}

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("atoll runs on little-endian machines only")
