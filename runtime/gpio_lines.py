"""Edges of GPIO lines, counted by the kernel: the second version of its character device
(Linux 5.10 and later, linux/gpio.h).

The kernel numbers the edges of a line, those for which it had no room included. So nobody need be
awake for an edge: the number of the newest one, looked at now and then, is the count.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl as _ioctl
from struct import Struct

# struct gpiochip_info: name, label, lines.
INFO = Struct("32s32sI")
GET_INFO = 0x8044_B401
# struct gpio_v2_line_request: offsets, consumer, config (flags, number of attributes, padding, ten
# attributes of id, padding, value, mask), number of lines, size of the buffer, padding, descriptor.
REQUEST = Struct("=64I32sQI20x" + 10 * "I4xQQ" + "II20xi")
GET_LINE = 0xC250_B407
# struct gpio_v2_line_event: time, id, line, number of the edge in the request, and in the line.
EVENT = Struct("=QIIII24x")

INPUT = 1 << 2
EDGES = {"rising": 1 << 4, "falling": 1 << 5, "both": 3 << 4}
BIASES = {"as-is": 0, "up": 1 << 8, "down": 1 << 9, "none": 1 << 10}
_DEBOUNCE = 3  # attribute
_BUFFER_EVENTS = 16
_READ_EVENTS = 64

Ioctl = Callable[..., int]


def chip_info(path: str, ioctl: Ioctl = _ioctl) -> tuple[str, int]:
    """Label and number of lines of a chip. Raises `OSError`."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        data = bytearray(INFO.size)
        ioctl(file, GET_INFO, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(file)
    _, label, lines = INFO.unpack(data)
    return label.partition(b"\0")[0].decode("ascii", "replace"), lines


class EdgeCounter:
    """Counts the edges of one line, from when it is made. Raises `OSError`."""

    def __init__(
        self,
        path: str,
        line: int,
        flags: int,
        *,
        debounce_us: int = 0,
        ioctl: Ioctl = _ioctl,
    ) -> None:
        attributes = [_DEBOUNCE, debounce_us, 1] if debounce_us else [0, 0, 0]
        values = [line] + [0] * 63 + [b"atoll", INPUT | flags, int(debounce_us > 0)]
        values += attributes + [0] * 27 + [1, _BUFFER_EVENTS, -1]
        data = bytearray(REQUEST.pack(*values))
        chip = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            ioctl(chip, GET_LINE, data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"line {line} of {path}") from None
        finally:
            os.close(chip)
        self._file = REQUEST.unpack(data)[-1]
        os.set_blocking(self._file, False)
        self._seen = 0

    def count(self) -> int:
        """Edges since the last call. Raises `OSError` where the chip is gone."""
        newest = self._seen
        with suppress(BlockingIOError):
            while True:
                data = os.read(self._file, _READ_EVENTS * EVENT.size)
                if not data:
                    break
                newest = EVENT.unpack_from(data, len(data) - EVENT.size)[4]
        count, self._seen = (newest - self._seen) % 2**32, newest
        return count

    def close(self) -> None:
        """Give the line back."""
        os.close(self._file)
