"""Samples to files: the counterpart of `files`, for what can be written without loss."""

import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atoll.cli.files import TYPECODES, FileError

if TYPE_CHECKING:
    from atoll.gateway.client_samples import Stretch
    from atoll.wire.messages import StreamInfo

_DESCRIPTIONS = {"i16": "<i2", "i32": "<i4", "f32": "<f4"}


def samples_of(found: "Stretch") -> "array[Any]":
    """The samples of a stretch as an array."""
    samples: array[Any] = array(TYPECODES[found.info.dtype])
    samples.frombytes(bytes(found.data))
    return samples


def write_npy(path: str, info: "StreamInfo", samples: "array[Any]") -> None:
    """numpy's own format, version 1.0: the header padded so that the samples start at a multiple of
    64.
    """
    rows = len(samples) // info.channels
    shape = f"({rows}, {info.channels})" if info.channels > 1 else f"({rows},)"
    header = (
        f"{{'descr': '{_DESCRIPTIONS[info.dtype]}', 'fortran_order': False, 'shape': {shape}, }}"
    )
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    Path(path).write_bytes(start + header.encode("ascii") + samples.tobytes())


def write_wav(path: str, info: "StreamInfo", samples: "array[Any]") -> None:
    """PCM of 16 or 32 bits; rates are whole numbers of hertz there, and floats have no place."""
    if info.dtype == "f32" or info.rate_hz != int(info.rate_hz):
        raise FileError(f"{path}: a .wav holds whole numbers at a whole rate; use .npy")
    with wave.open(path, "wb") as file:
        file.setnchannels(info.channels)
        file.setsampwidth(samples.itemsize)
        file.setframerate(int(info.rate_hz))
        file.writeframes(samples.tobytes())


def write_csv(path: str, info: "StreamInfo", samples: "array[Any]") -> None:
    """One sample a line under the stream's key, its channels with commas between; f32 with the
    digits that read back to the same number.
    """
    form = "{:.9g}" if info.dtype == "f32" else "{}"
    with open(path, "w", encoding="utf-8") as file:
        if info.channels == 1:
            file.write(f"{info.key}\n")
        else:
            file.write(",".join(f"{info.key}.{at}" for at in range(info.channels)) + "\n")
        for at in range(0, len(samples), info.channels):
            row = samples[at : at + info.channels]
            file.write(",".join(map(form.format, row)) + "\n")


WRITERS: "dict[str, Callable[[str, StreamInfo, array[Any]], None]]" = {
    ".npy": write_npy,
    ".wav": write_wav,
    ".csv": write_csv,
}
