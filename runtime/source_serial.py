"""`serial:PATH[@RATE][,baud=N][,columns=N|a+b]`: lines of numbers from a serial port.

A line is one sample: numbers apart by blanks, commas, semicolons or tabs, one for each column; f32.
Empty lines and lines that begin with # are skipped; a line that is none of this is counted and is a
gap. RATE is what the sender is said to send, 1 Hz if it is not told. The port is opened again when
its plug was pulled and came back: name it by /dev/serial/by-id, which then stays the same.
"""

import errno
import os
import termios
from contextlib import suppress
from struct import pack

from atoll.runtime.source_flow import FlowSource, Piece
from atoll.runtime.source_spec import Spec, parse_spec
from atoll.runtime.sources import HAND_ON_S, parse_rate
from atoll.runtime.sysfs import names, number
from atoll.wire.messages import StreamInfo

RATE_HZ_MAX = 2_000.0
COLUMNS_MAX = 64
LINE_BYTES_MAX = 2_048
# Of what the kernel keeps for a port (4,096 bytes), the part that may fill while we wait for more.
_WAITING_BYTES = 2_048
_F32_MAX = 3.4028234663852886e38
_PORTS = (("/dev/serial/by-id", ("",)), ("/dev", ("ttyUSB", "ttyACM", "ttyAMA", "serial")))
_SEPARATORS = bytes.maketrans(b",;\t", b"   ")


class SerialSource(FlowSource):
    """A port's lines."""

    def __init__(self, dataset: str, what: str, device: str) -> None:
        spec = parse_spec(what, dataset, ("baud", "columns"))
        rate_hz = parse_rate(spec.rate or "1", dataset, RATE_HZ_MAX)
        titles = _columns(spec)
        port = SerialPort(spec, len(titles))
        port.open()
        port.close()
        streams = [
            StreamInfo(dataset, f"{device}/{name}", "f32", 1, rate_hz, 1.0, "") for name in titles
        ]
        super().__init__(dataset, streams, port)


def _columns(spec: Spec) -> list[str]:
    """Names of the columns. Raises `UsageError`."""
    if spec.options.get("columns", "1").isdecimal():
        count = spec.number("columns", 1, 1, COLUMNS_MAX)
        return [f"column{at}" for at in range(count)]
    found = spec.names("columns")
    if len(set(found)) != len(found) or len(found) > COLUMNS_MAX or not all(map(_is_word, found)):
        raise spec.refused(f"columns={spec.options['columns']}: a number, or names as in x+y+z")
    return found


def _is_word(name: str) -> bool:
    return len(name) <= 32 and name.replace("_", "").isalnum() and name.isascii()


class SerialPort:
    """A port as a feed of lines."""

    def __init__(self, spec: Spec, columns: int) -> None:
        self._spec = spec
        baud = spec.options.get("baud", "115200")
        self._speed = getattr(termios, f"B{baud}", 0) if baud.isdecimal() else 0
        if not self._speed:
            raise spec.refused(f"baud={baud} is no usual speed, such as 9600 or 115200")
        # Half of what is kept for us at this speed, ten bits a byte.
        self.pace_s = min(HAND_ON_S, _WAITING_BYTES * 10 / int(baud))
        self._columns = columns
        self.missed = 0
        self._file = -1
        self._rest = b""
        self._first = True
        self._gap = False

    def open(self) -> int:
        """The port: raw, 8 bits, no parity, one stop bit, no handshake. Raises `UsageError`."""
        self._rest, self._first, self._gap = b"", True, False
        flags = os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            file = os.open(self._spec.head, flags)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
                raise self._spec.refused(
                    f"{self._spec.head} is not there: plug the device in; there are: {_ports()}"
                ) from None
            raise self._spec.denied(error, "dialout") from None
        try:
            self._settle(file)
        except termios.error as error:
            os.close(file)
            raise self._spec.refused(f"{self._spec.head} is no serial port: {error}") from None
        self._file = file
        return file

    def _settle(self, file: int) -> None:
        settings = termios.tcgetattr(file)
        control = settings[6]
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        mode = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(file, termios.TCSANOW, [0, 0, mode, 0, self._speed, self._speed, control])
        termios.tcflush(file, termios.TCIFLUSH)

    def close(self) -> str:
        """Give the port back."""
        if self._file >= 0:
            with suppress(OSError):
                os.close(self._file)
            self._file = -1
        return ""

    def take(self, data: bytes) -> list[Piece]:
        """Samples of whole lines, cut where a line was none."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        runs: list[tuple[list[list[float]], bool]] = []
        for line in lines:
            skipped, self._first = (
                self._first,
                False,
            )  # it began before we listened, or too long ago
            row = None if skipped else self._row(line)
            if row and (self._gap or not runs):
                runs.append(([], self._gap))
                self._gap = False
            if row:
                runs[-1][0].append(row)
        if len(self._rest) > LINE_BYTES_MAX:
            self._rest, self._first = b"", True
            self._spoil()
        return [Piece(_packed(rows), len(rows), gap) for rows, gap in runs]

    def _row(self, line: bytes) -> list[float] | None:
        """The line's numbers; None where it is to be skipped, or is counted as no sample."""
        words = line.translate(_SEPARATORS).split()
        if not words or words[0].startswith(b"#"):
            return None
        values = [number(word.decode("ascii", "replace")) for word in words]
        if len(values) != self._columns or None in values or len(line) > LINE_BYTES_MAX:
            self._spoil()
            return None
        return [min(max(value or 0.0, -_F32_MAX), _F32_MAX) for value in values]

    def _spoil(self) -> None:
        self.missed += 1
        self._gap = True


def _packed(rows: list[list[float]]) -> list[bytes]:
    return [pack(f"<{len(rows)}f", *column) for column in zip(*rows, strict=True)]


def _ports() -> str:
    """The ports that are there, by the names that stay."""
    for folder, prefixes in _PORTS:
        found = [f"{folder}/{name}" for prefix in prefixes for name in names(folder, prefix)]
        if found:
            return ", ".join(found[:8])
    return "none"
