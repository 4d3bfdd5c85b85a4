"""Samples on their way in and out of the fleet, without numpy.

A stream has one dimension, or (samples, channels), and is of type i16, i32 or f32, little-endian,
as the buffer protocol shows it: numpy arrays and `array.array` both do. Nothing is converted
silently: a float64 array that became float32 here would change numbers that the user takes for
theirs. Each refusal says the conversion to write.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from atoll.gateway.client_errors import BadSamples
from atoll.wire import limits
from atoll.wire.block import Block
from atoll.wire.messages import StreamInfo

CHANNELS_MAX = 16  # side by side in a stream, as plans take them
SAMPLE_BYTES = {"i16": 2, "i32": 4, "f32": 4}
TYPECODES = {"i16": "h", "i32": "i", "f32": "f"}
_HINTS = {
    "d": '.astype("float32")',
    "e": '.astype("float32")',
    "b": '.astype("int16")',
    "B": '.astype("int16")',
    "?": '.astype("int16")',
    "H": '.astype("int32")',
    "I": '.astype("int32") if all values are below 2**31',
    "q": '.astype("int32") if all values fit',
    "Q": '.astype("int32") if all values fit',
}
_ARRAY_HINT = (
    'array.array("h"|"i"|"f", values) or numpy.asarray(values, dtype="int16"|"int32"|"float32")'
)


class Samples(NamedTuple):
    """One stream's samples: their type and their bytes (C order, little-endian)."""

    dtype: str
    data: memoryview
    channels: int = 1

    @property
    def frame(self) -> int:
        """Bytes of one sample in time."""
        return SAMPLE_BYTES[self.dtype] * self.channels

    @property
    def sample_count(self) -> int:
        """How many samples there are."""
        return len(self.data) // self.frame

    def pieces(self) -> Iterator[memoryview]:
        """The bytes in pieces of at most one block, each of whole samples in time."""
        most = limits.BLOCK_BYTES_MAX // self.frame * self.frame
        for offset in range(0, len(self.data), most):
            yield self.data[offset : offset + most]


def samples_of(values: Any, what: str = "samples") -> Samples:
    """View `values` as a stream, or say what is wrong with them (`BadSamples`)."""
    if isinstance(values, bytes | bytearray | str):
        raise BadSamples(f"{what}: {type(values).__name__} has no sample type; use {_ARRAY_HINT}")
    try:
        view = memoryview(values)
    except (TypeError, ValueError, BufferError):
        raise BadSamples(
            f"{what}: a {type(values).__name__} is not an array; use {_ARRAY_HINT}"
        ) from None
    shape = view.shape or ()
    if len(shape) not in (1, 2):
        raise BadSamples(
            f"{what}: {view.ndim} dimensions; a stream has one, or (samples, channels)"
        )
    channels = shape[1] if len(shape) == 2 else 1
    if not 1 <= channels <= CHANNELS_MAX:
        raise BadSamples(
            f"{what}: {channels} channels; at most {CHANNELS_MAX} stand side by side in a stream: "
            "put each under a key of its own, such as samples[:, 0]"
        )
    dtype = _dtype_of(view, what)
    if shape[0] == 0:
        raise BadSamples(f"{what}: empty; a stream needs at least one sample")
    raw = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    return Samples(dtype, raw, channels)


def _dtype_of(view: memoryview, what: str) -> str:
    """Map a buffer format to a sample type."""
    order, code = ("=", view.format) if len(view.format) == 1 else (view.format[0], view.format[1:])
    if order in ">!" and view.itemsize > 1:
        raise BadSamples(f'{what}: big-endian; use .astype(samples.dtype.newbyteorder("<"))')
    if code in ("i", "l") and view.itemsize == 4:
        return "i32"
    if code == "h":
        return "i16"
    if code == "f":
        return "f32"
    name = {"d": "float64", "e": "float16"}.get(code, f"format {view.format!r}")
    if code in ("l", "q"):
        name, code = "int64", "q"
    hint = _HINTS.get(code, _ARRAY_HINT)
    raise BadSamples(f"{what}: {name} is not a sample type (i16, i32, f32); use {hint}")


class Stretch(NamedTuple):
    """Part of a stream as it is stored: `gaps` are the samples (indexes from the stream's first) at
    which something is missing before them; `wall_ms` is the time of the first sample.
    """

    info: StreamInfo
    first_sample: int
    wall_ms: int
    gaps: list[int]
    data: bytearray


def joined(blocks: Sequence[Block], start: int, stop: int) -> Stretch:
    """The samples [start, stop) of a stream's blocks, which come in order."""
    info = blocks[0].info
    size = SAMPLE_BYTES[info.dtype] * info.channels
    data = bytearray()
    gaps: list[int] = []
    for before, block in zip([None, *blocks[:-1]], blocks, strict=True):
        if before is not None and (block.gap or block.seq != before.seq + 1):
            gaps.append(block.first_sample)
        skip = max(0, start - block.first_sample) * size
        keep = max(0, stop - block.first_sample) * size
        data += block.data[skip:keep]
    first = max(start, blocks[0].first_sample)
    late_ms = (first - blocks[0].first_sample) * 1000 / info.rate_hz if info.rate_hz else 0.0
    return Stretch(info, first, blocks[0].wall_ms + round(late_ms), gaps, data)


def array_of(dtype: str, data: bytes | bytearray | memoryview, channels: int = 1) -> Any:
    """The samples as a numpy array where numpy is installed, else as `array.array` (flat).

    Several channels are an array of shape (samples, channels).
    """
    try:
        import numpy as np
    except ImportError:
        values = array(TYPECODES[dtype])
        values.frombytes(bytes(data))
        return values
    found = np.frombuffer(data, dtype={"i16": "<i2", "i32": "<i4", "f32": "<f4"}[dtype])
    return found.reshape(-1, channels) if channels > 1 else found


if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("atoll runs on little-endian machines only")
