"""The other end of a microcontroller's serial line: its stream to the broker, opened and closed as
it asks. Events in, effects out; cli/serial.py has the line and the socket.

The MQTT session is the device's own: the bridge moves bytes and reads none of them. So the device
brings its name, its password and its last will, and a line that goes dead takes its connection with
it, without a DISCONNECT: the broker publishes the will.
"""

from collections import deque
from typing import NamedTuple

from atoll.transport.serial_link import BYTES, DATA_MAX, DOWN, OPEN, UP, Message, Ready, SerialLink

# Bytes from the broker that wait for the line. The broker's are left in the socket above this.
OWED_MAX = 4_096


class LineOpened(NamedTuple):
    """The line is there; `session` is new at each opening (32 bits, not 0)."""

    session: int


class LineClosed(NamedTuple):
    """The line is gone."""


class LineBytes(NamedTuple):
    """What came over the line."""

    data: bytes


class StreamOpened(NamedTuple):
    """The broker took the connection."""


class StreamClosed(NamedTuple):
    """The broker is not there, or closed the connection."""

    reason: str


class StreamBytes(NamedTuple):
    """What came from the broker."""

    data: bytes


class Woken(NamedTuple):
    """`next_wakeup` is here."""


class WriteLine(NamedTuple):
    """Send this over the line."""

    data: bytes


class OpenStream(NamedTuple):
    """Connect to the broker."""


class CloseStream(NamedTuple):
    """Drop the connection, without a word."""


class WriteStream(NamedTuple):
    """Send this to the broker."""

    data: bytes


class Say(NamedTuple):
    """A line for the log."""

    text: str


Event = LineOpened | LineClosed | LineBytes | StreamOpened | StreamClosed | StreamBytes | Woken
Effect = WriteLine | OpenStream | CloseStream | WriteStream | Say


class SerialBridge:
    """One line and its device."""

    def __init__(self) -> None:
        self.resets = 0  # of the device, since the line opened
        self._link: SerialLink | None = None
        self._asked = False  # the device wants a stream
        self._open = False
        self._owed: deque[tuple[int, bytes]] = deque()
        self._owed_bytes = 0

    @property
    def wants_stream(self) -> bool:
        """Whether bytes from the broker are to be read now."""
        return self._open and self._owed_bytes < OWED_MAX

    @property
    def dropped(self) -> int:
        """Damaged frames since the line opened."""
        return self._link.dropped if self._link else 0

    def next_wakeup(self) -> float | None:
        """When `handle(Woken())` has something to do."""
        return self._link.next_wakeup() if self._link else None

    def handle(self, event: Event, now: float) -> list[Effect]:
        """What is to be done, in this order."""
        effects: list[Effect] = []
        match event:
            case LineOpened(session):
                self._link = SerialLink(session, now)
            case LineClosed():
                self._hang_up(effects)
                self._link = None
                return effects
            case LineBytes(data) if self._link:
                for found in self._link.receive(data, now):
                    if isinstance(found, Ready):
                        self._greet(effects)
                    elif isinstance(found, Message):
                        self._take(found, effects)
            case StreamOpened() if self._asked:
                self._open = True
                self._owe(UP, b"")
            case StreamOpened():
                effects.append(CloseStream())  # nobody wants it any more
            case StreamClosed(reason) if self._asked:
                effects.append(Say(f"connection to the broker closed: {reason}"))
                self._asked = self._open = False
                self._owe(DOWN, b"")
            case StreamBytes(data) if self._open:
                for at in range(0, len(data), DATA_MAX):
                    self._owe(BYTES, data[at : at + DATA_MAX])
        self._pass_on(effects, now)
        return effects

    def _greet(self, effects: list[Effect]) -> None:
        """A device that has just started, or one that was here before this bridge."""
        self._hang_up(effects)
        self.resets += 1
        effects.append(Say("a device is there" if self.resets == 1 else "the device was reset"))

    def _take(self, message: Message, effects: list[Effect]) -> None:
        if message.kind == OPEN:
            self._hang_up(effects)
            self._asked = True
            effects.append(OpenStream())
        elif message.kind == DOWN:
            self._hang_up(effects)
        elif message.kind == BYTES and self._open:
            effects.append(WriteStream(message.data))

    def _hang_up(self, effects: list[Effect]) -> None:
        if self._asked:
            effects.append(CloseStream())
        self._asked = self._open = False
        self._owed.clear()
        self._owed_bytes = 0

    def _owe(self, kind: int, data: bytes) -> None:
        self._owed.append((kind, data))
        self._owed_bytes += len(data)

    def _pass_on(self, effects: list[Effect], now: float) -> None:
        link = self._link
        if link is None:
            return
        while self._owed and link.send(*self._owed[0]):
            self._owed_bytes -= len(self._owed.popleft()[1])
        if out := link.output(now):
            effects.append(WriteLine(out))
