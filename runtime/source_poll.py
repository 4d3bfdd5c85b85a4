"""Numbers that are read from small files on a schedule: what `iio`, `hwmon`, `i2c` and `counter`
have in common.

A reading that fails (a bus that did not answer) is a missed sample and a gap. Files that are gone
(a sensor that was unplugged) are looked for again once a second, wherever they come back.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from struct import Struct
from time import monotonic
from typing import NamedTuple

from atoll.runtime.errors import UsageError
from atoll.runtime.sources import TickedSource
from atoll.runtime.sysfs import number
from atoll.wire.messages import StreamInfo

# A file of sysfs is a system call and, behind it, a transfer on a slow bus: faster sampling is what
# buffered capture is for.
RATE_HZ_MAX = 200.0
# Files read at each tick.
CHANNELS_MAX = 64
RETRY_S = 1.0
_VALUE_BYTES_MAX = 64
_I32, _F32 = Struct("<i"), Struct("<f")
_I32_MIN, _I32_MAX = -(2**31), 2**31 - 1
_F32_MAX = 3.4028234663852886e38
# Errors of a read or an open that say that the device went away.
_GONE = (errno.ENODEV, errno.ENOENT, errno.ENXIO)


class Channel(NamedTuple):
    """One file's number as a stream. `offset` is added to it, a whole number for i32; `modulus`:
    differences are stored, of a counter that goes from `modulus` - 1 to 0 (0: the value itself is).
    """

    name: str
    path: str
    dtype: str = "i32"
    scale: float = 1.0
    unit: str = ""
    offset: float = 0
    modulus: int = 0


Find = Callable[[], list[Channel]]


class PolledSource(TickedSource):
    """Some channels at a rate. `find` says where they are now, or raises `UsageError`."""

    def __init__(self, dataset: str, device: str, rate_hz: float, find: Find) -> None:
        self._find = find
        channels = find()
        if len(channels) > CHANNELS_MAX:
            raise UsageError(
                f"source {dataset}: {len(channels)} channels, at most {CHANNELS_MAX}: name some "
                "with channels=a+b"
            )
        streams = [
            StreamInfo(dataset, f"{device}/{one.name}", one.dtype, 1, rate_hz, one.scale, one.unit)
            for one in channels
        ]
        super().__init__(dataset, streams, self._sample, self._close_reader)
        self._reader: Reader | None = self._open(channels)
        with suppress(OSError):  # what is there but does not answer now may do so at a tick
            self._reader.read()
        self._again_at = 0.0

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _open(self, channels: list[Channel]) -> "Reader":
        try:
            return Reader(channels)
        except OSError as error:
            raise UsageError(
                f"source {self.dataset}: {error.filename} cannot be read: {error.strerror}"
            ) from None

    def _sample(self) -> list[bytes]:
        """One sample of each channel; empty if there is none."""
        if self._reader is None:
            self._find_again()
        if self._reader is None:
            return []
        try:
            row = self._reader.read()
        except OSError as error:
            self.trouble = f"source {self.dataset}: {error.filename}: {error.strerror}"
            if error.errno in _GONE:
                self._reader.close()
                self._reader = None
                self._again_at = monotonic() + RETRY_S
            return []
        self.trouble = ""
        return row

    def _find_again(self) -> None:
        if monotonic() < self._again_at:
            return
        self._again_at = monotonic() + RETRY_S
        try:
            channels = self._find()
            ours = [info.key.rpartition("/")[2] for info in self.streams]
            if [one.name for one in channels] != ours:
                raise UsageError(f"source {self.dataset}: came back with other channels")
            self._reader = self._open(channels)
        except UsageError as error:
            self.trouble = str(error)


class Reader:
    """The channels' files, kept open. Raises `OSError` that names the file."""

    def __init__(self, channels: list[Channel]) -> None:
        self._channels = channels
        self._files: list[int] = []
        # Of a counter, what it was at the last reading; None: the next is no difference yet.
        self._before: list[int | None] = [None] * len(channels)
        try:
            for one in channels:
                self._files.append(os.open(one.path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.close()
            raise

    def read(self) -> list[bytes]:
        """One sample of each; empty where a counter has no past yet."""
        try:
            values = [self._value(at) for at in range(len(self._files))]
        except OSError:
            self._before = [None] * len(self._channels)
            raise
        row = [
            self._difference(at, value) if one.modulus else _packed(one, value)
            for at, (one, value) in enumerate(zip(self._channels, values, strict=True))
        ]
        return row if all(row) else []

    def _value(self, at: int) -> float:
        path = self._channels[at].path
        try:
            text = os.pread(self._files[at], _VALUE_BYTES_MAX, 0).decode("ascii", "replace")
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        value = number(text)
        if value is None:
            raise OSError(errno.EBADMSG, f"{text.strip()[:20]!r} is no number", path)
        return value

    def _difference(self, at: int, value: float) -> bytes:
        """How far a counter went, by the shorter way around; empty at its first reading."""
        before, now = self._before[at], int(value)
        self._before[at] = now
        if before is None:
            return b""
        modulus = self._channels[at].modulus
        step = (now - before) % modulus
        return _i32(step - modulus if step > modulus // 2 else step)

    def close(self) -> None:
        """Give the files back."""
        while self._files:
            os.close(self._files.pop())


def _packed(channel: Channel, value: float) -> bytes:
    if channel.dtype == "f32":
        return _F32.pack(min(max(value + channel.offset, -_F32_MAX), _F32_MAX))
    return _i32(round(value + channel.offset))


def _i32(value: int) -> bytes:
    return _I32.pack(min(max(value, _I32_MIN), _I32_MAX))
