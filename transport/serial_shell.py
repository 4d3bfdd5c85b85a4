"""What carries a serial bridge: the line's descriptor, the broker's socket, the loop.

A line is a serial port (`/dev/ttyACM0`), or an emulator's socket (`unix:PATH`, `tcp:HOST:PORT`). It
may go away and come back, as plugs do.
"""

import os
import socket
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from atoll.transport import serial_bridge as b
from atoll.transport.errors import AddressError
from atoll.transport.loop import Loop, Timer
from atoll.transport.url import Broker

BAUD = termios.B115200
READ_BYTES = 4_096
# What waits to be written, to the line or to the broker; a peer that takes no more is gone.
PENDING_MAX = 65_536
CONNECT_S = 10.0
REOPEN_S, REOPEN_MAX_S = 0.25, 5.0


def open_line(target: str) -> int:
    """A descriptor that does not block; OSError where the line is not there, AddressError where the
    words name none.
    """
    kind, _, rest = target.partition(":")
    if kind == "unix":
        line = socket.socket(socket.AF_UNIX)
        with suppress(BlockingIOError):
            line.connect(rest)
    elif kind == "tcp":
        host, _, port = rest.rpartition(":")
        if not host or not port.isdigit():
            raise AddressError(f"port {target!r}: it looks like tcp:HOST:PORT")
        line = socket.create_connection((host, int(port)), CONNECT_S)
    else:
        fd = os.open(target, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        _make_raw(fd, target)
        return fd
    line.setblocking(False)
    return line.detach()


def _make_raw(fd: int, target: str) -> None:
    """115,200 baud, 8N1, no flow control, nothing translated."""
    try:
        tty.setraw(fd)
        mode = termios.tcgetattr(fd)
        mode[2] = mode[2] & ~(termios.PARENB | termios.CSTOPB | termios.CRTSCTS) | termios.CLOCAL
        mode[4] = mode[5] = BAUD
        termios.tcsetattr(fd, termios.TCSANOW, mode)
        termios.tcflush(fd, termios.TCIOFLUSH)
    except termios.error:
        os.close(fd)
        raise AddressError(f"port {target!r} is no serial port") from None


class _Pipe:
    """One descriptor in the loop: what cannot be written now waits, up to a bound."""

    def __init__(self, loop: Loop, fd: int, on_bytes: Callable[[bytes], None],
                 on_end: Callable[[str], None]) -> None:  # fmt: skip
        self._loop, self.fd = loop, fd
        self._on_bytes, self._on_end = on_bytes, on_end
        self._pending = bytearray()
        self._reads = True
        self._watch()

    def pause(self, reads: bool) -> None:
        """Whether bytes are read."""
        if reads != self._reads:
            self._reads = reads
            self._watch()

    def write(self, data: bytes) -> None:
        """Send, or keep until it can be sent."""
        self._pending += data
        if len(self._pending) > PENDING_MAX:
            self._on_end("it takes no more bytes")
        else:
            self._flush()

    def close(self) -> None:
        """Give the descriptor back."""
        if self.fd >= 0:
            self._loop.unwatch(self.fd)
            os.close(self.fd)
            self.fd = -1

    def _watch(self) -> None:
        self._loop.watch(
            self.fd,
            readable=self._read if self._reads else None,
            writable=self._flush if self._pending else None,
        )

    def _flush(self) -> None:
        try:
            done = os.write(self.fd, self._pending) if self._pending else 0
        except BlockingIOError:
            done = 0
        except OSError as error:
            self._on_end(error.strerror or str(error))
            return
        del self._pending[:done]
        self._watch()

    def _read(self) -> None:
        try:
            data = os.read(self.fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._on_end(error.strerror or str(error))
            return
        if data:
            self._on_bytes(data)
        else:
            self._on_end("closed")


def _write(pipe: _Pipe | None, data: bytes) -> None:
    if pipe is not None:
        pipe.write(data)


class SerialShell:
    """One line, kept open as long as it is there."""

    def __init__(self, loop: Loop, target: str, broker: Broker, say: Callable[[str], None]) -> None:
        self.bridge = b.SerialBridge()
        self._loop, self._target, self._broker, self._say = loop, target, broker, say
        self._line: _Pipe | None = None
        self._stream: _Pipe | None = None
        self._dialling: socket.socket | None = None
        self._timer: Timer | None = None
        self._retry_s = REOPEN_S
        self._told = ""
        self._closed = False
        self._calls = 0  # to the broker: what is said of an earlier one is no news
        self._perform: dict[type, Callable[[Any], None]] = {
            b.WriteLine: lambda effect: _write(self._line, effect.data),
            b.WriteStream: lambda effect: _write(self._stream, effect.data),
            b.OpenStream: lambda effect: self._dial(),
            b.CloseStream: lambda effect: self._drop_stream(),
            b.Say: lambda effect: self._say(f"{self._target}: {effect.text}"),
        }

    def start(self) -> None:
        """Open the line, now or as soon as it is there."""
        if self._closed:
            return
        try:
            fd = open_line(self._target)
        except OSError as error:
            self._tell(f"{error.strerror or error}; waiting for it")
            self._loop.call_later(self._retry_s, self.start)
            self._retry_s = min(self._retry_s * 2, REOPEN_MAX_S)
            return
        self._retry_s = REOPEN_S
        self._tell("open")
        self._line = _Pipe(self._loop, fd, self._line_bytes, self._line_ended)
        self._feed(b.LineOpened(int.from_bytes(os.urandom(4), "little") or 1))

    def close(self) -> None:
        """Let go of line and stream."""
        self._closed = True
        self._line_ended("")

    def _tell(self, text: str) -> None:
        if text and text != self._told:
            self._told = text
            self._say(f"{self._target}: {text}")

    def _feed(self, event: b.Event) -> None:
        for effect in self.bridge.handle(event, self._loop.now()):
            self._perform[type(effect)](effect)
        if self._stream:
            self._stream.pause(self.bridge.wants_stream)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self.bridge.next_wakeup()
        if due is not None:
            self._timer = self._loop.call_at(due, self._feed, b.Woken())

    # --- the line ---

    def _line_bytes(self, data: bytes) -> None:
        self._feed(b.LineBytes(data))

    def _line_ended(self, reason: str) -> None:
        line, self._line = self._line, None
        if line is None:
            return
        line.close()
        self._feed(b.LineClosed())
        self._tell(reason)
        if not self._closed:
            self._loop.call_later(self._retry_s, self.start)

    # --- the broker ---

    def _dial(self) -> None:
        self._drop_stream()
        self._calls += 1
        try:
            found = socket.getaddrinfo(
                self._broker.host, self._broker.port, type=socket.SOCK_STREAM
            )
            family, kind, protocol, _, address = found[0]
            dialling = self._dialling = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
            with suppress(BlockingIOError):
                dialling.connect(address)
        except OSError as error:
            self._refused(error.strerror or str(error))
            return
        self._loop.watch(dialling.fileno(), writable=self._dialled)
        self._loop.call_later(CONNECT_S, self._too_late, dialling)

    def _dialled(self) -> None:
        dialling = self._dialling
        assert dialling is not None
        self._loop.unwatch(dialling.fileno())
        problem = dialling.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self._refused(os.strerror(problem))
            return
        self._dialling = None
        dialling.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = _Pipe(self._loop, dialling.detach(), self._stream_bytes, self._stream_ended)
        self._feed(b.StreamOpened())

    def _too_late(self, dialling: socket.socket) -> None:
        if self._dialling is dialling:
            self._refused("it does not answer")

    def _refused(self, reason: str) -> None:
        self._drop_stream()
        self._loop.post(self._call_ended, self._calls, f"{self._broker.url}: {reason}")

    def _call_ended(self, call: int, reason: str) -> None:
        """Posted: not from within the effects that asked for the call."""
        if call == self._calls:
            self._feed(b.StreamClosed(reason))

    def _stream_bytes(self, data: bytes) -> None:
        self._feed(b.StreamBytes(data))

    def _stream_ended(self, reason: str) -> None:
        self._drop_stream()
        self._loop.post(self._call_ended, self._calls, reason)

    def _drop_stream(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None
        if self._dialling:
            self._loop.unwatch(self._dialling.fileno())
            self._dialling.close()
            self._dialling = None
