"""The bridge's end of the link to a microcontroller on a serial line, without a line or a clock.

Bytes and seconds in, frames and events out; the device's end is firmware_stubs/common/link.c, and
docs/firmware.md has the protocol. Messages arrive in order, each once, until one end is reset; the
rules are the same at both ends:

- HELLO names a session, new at each start, and the one heard from the peer. It is repeated until
  the peer has answered with ours. A new session of the peer starts everything anew (`Reset`).
- DATA has a number, and stays here until the peer has acknowledged it. Out of order it is dropped
  and asked for once; unanswered it is sent again, later and later.
- As many DATA are under way as the peer granted in its HELLO.
"""

from collections import deque
from typing import NamedTuple

from atoll.wire._native import crc32c

VERSION = 1
DATA_MAX = 128  # bytes of a message
WINDOW_MAX = 8  # messages under way, whatever the peer would grant
HELLO_S, HELLO_MAX_S = 0.2, 2.0
RESEND_S, RESEND_MAX_S = 0.25, 2.0  # a full window takes 98 ms at 115,200 baud

# What is shorter than a message can be ends a packet, and the broker's answer mostly comes at once:
# it takes the acknowledgement along, if that is held back for so long. A second message is not.
ANSWER_S = 0.005

BYTES, OPEN, UP, DOWN = range(4)  # kinds of messages

_HELLO, _DATA, _ACKNOWLEDGE, _GAP = 1, 2, 3, 4
_FROM_BRIDGE = 0x80
_HEAD = 4
_HELLO_SIZE = 12
_FRAME_MAX = _HEAD + DATA_MAX + 4
_LINE_MAX = _FRAME_MAX + 2


class Ready(NamedTuple):
    """There is a peer; it knows of no message and no stream."""


class Reset(NamedTuple):
    """There was a peer, and it started anew: what was under way is lost. `Ready` follows."""


class Message(NamedTuple):
    """A message from the peer."""

    kind: int
    data: bytes


Event = Ready | Reset | Message


def encode_frame(body: bytes) -> bytes:
    """`body` with its CRC-32C as COBS (Cheshire and Baker, 1999), and the zero behind it."""
    out = bytearray()
    for part in (body + crc32c(body).to_bytes(4, "little")).split(b"\0"):
        for at in range(0, len(part), 254):
            piece = part[at : at + 254]
            out += bytes([len(piece) + 1]) + piece
        if not part:
            out.append(1)
        elif len(part) % 254 == 0:
            out.append(1)  # a full piece stands for no zero
    return bytes(out) + b"\0"


def decode_frame(line: bytes) -> bytes | None:
    """The body of a frame, without the zero behind it; None if it is damaged."""
    out = bytearray()
    at = 0
    while at < len(line):
        size = line[at] - 1
        if size < 0 or at + 1 + size > len(line):
            return None
        out += line[at + 1 : at + 1 + size]
        at += 1 + size
        if size < 254 and at < len(line):
            out.append(0)
    if len(out) <= 4 or crc32c(bytes(out[:-4])) != int.from_bytes(out[-4:], "little"):
        return None
    return bytes(out[:-4])


class SerialLink:
    """One end of the link: `receive` takes what came, `output` gives what is to be sent."""

    def __init__(self, session: int, now: float, *, window: int = WINDOW_MAX) -> None:
        """`session`: not 0, 32 bits, another one at every start."""
        self.ready = False
        self.dropped = 0  # damaged frames
        self.refused = 0  # sound frames that made no sense
        self.resent = 0  # times that messages under way went out again
        self._session = session
        self._window = window
        self._line = bytearray()
        self._overlong = False
        self._peer = 0
        self._credit = 0
        self._hello_at: float | None = now
        self._hello_s = HELLO_S
        self._start_anew()

    def _start_anew(self) -> None:
        self.ready = False
        self._answer_at: float | None = None
        self._gap_due = self._gap_asked = False
        self._base = self._next = self._expected = 0
        self._under_way: deque[tuple[int, bytes]] = deque()
        self._resend_s = RESEND_S
        self._resend_at = 0.0

    # --- in ---------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What the bytes from the line bring."""
        events: list[Event] = []
        *lines, rest = data.split(b"\0")
        for line in lines:
            self._take_line(line, now, events)
        self._gather(rest)
        return events

    def _gather(self, piece: bytes) -> None:
        self._line += piece
        if len(self._line) > _LINE_MAX:
            self._overlong = True
            self._line.clear()

    def _take_line(self, line: bytes, now: float, events: list[Event]) -> None:
        self._gather(line)
        whole, overlong = bytes(self._line), self._overlong
        self._line.clear()
        self._overlong = False
        if not whole and not overlong:
            return
        frame = None if overlong else decode_frame(whole)
        if frame is None or len(frame) > _HEAD + DATA_MAX:
            self.dropped += 1
        elif frame[0] == _HELLO:
            self._take_hello(frame, now, events)
        elif not self.ready or len(frame) < _HEAD or frame[0] not in (_DATA, _ACKNOWLEDGE, _GAP):
            self.refused += 1
        else:
            self._resend_s = RESEND_S  # it is there: only silence makes us slower
            self._take_acknowledged(frame[2], now)
            if frame[0] == _DATA:
                self._take_data(frame, now, events)
            elif frame[0] == _GAP:
                self._next = 0
                self.resent += 1

    def _take_hello(self, frame: bytes, now: float, events: list[Event]) -> None:
        session = int.from_bytes(frame[2:6], "little")
        if len(frame) != _HELLO_SIZE or session == 0 or frame[1] != VERSION or frame[10] == 0:
            self.refused += 1
            return
        heard = int.from_bytes(frame[6:10], "little")
        # One that knew us and has heard of nobody was started anew, whatever its session's number.
        if session != self._peer or (self.ready and heard == 0):
            if self.ready:
                events.append(Reset())
            self._peer = session
            self._start_anew()
        self._credit = min(frame[10], WINDOW_MAX)
        knows_us = heard == self._session
        if frame[11] == 0 or not knows_us:  # it waits for our session
            self._hello_at = now
        if knows_us and not self.ready:
            self.ready = True
            events.append(Ready())

    def _take_acknowledged(self, acknowledged: int, now: float) -> None:
        done = (acknowledged - self._base) % 256
        if not 0 < done <= len(self._under_way):
            return
        for _ in range(done):
            self._under_way.popleft()
        self._base = acknowledged
        self._next = max(self._next - done, 0)
        self._resend_at = now + self._resend_s

    def _take_data(self, frame: bytes, now: float, events: list[Event]) -> None:
        held = self._answer_at is None and len(frame) < _HEAD + DATA_MAX
        self._answer_at = now + ANSWER_S if held else now
        if frame[1] != self._expected:
            self._answer_at = now
            ahead = (frame[1] - self._expected) % 256 < 128
            self._gap_due = ahead and not self._gap_asked
            return
        self._expected = (self._expected + 1) % 256
        self._gap_asked = False
        events.append(Message(frame[3], frame[_HEAD:]))

    # --- out --------------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many messages `send` takes now."""
        return max(self._credit - len(self._under_way), 0) if self.ready else 0

    def send(self, kind: int, data: bytes = b"") -> bool:
        """Queue a message of at most DATA_MAX bytes; False: there is no room now."""
        if len(data) > DATA_MAX:
            raise ValueError(f"{len(data)} bytes in a message of at most {DATA_MAX}")
        if not self.room:
            return False
        self._under_way.append((kind, data))
        return True

    def output(self, now: float) -> bytes:
        """All frames that are to be sent now."""
        out = bytearray()
        if self._hello_at is not None and now >= self._hello_at:
            out += self._hello(now)
        if not self.ready:
            return bytes(out)
        if self._gap_due:
            self._gap_due, self._gap_asked = False, True
            out += self._frame(_GAP, 0)
        if self._under_way and self._next and now >= self._resend_at:
            self._next = 0
            self.resent += 1
            self._resend_s = min(self._resend_s * 2, RESEND_MAX_S)
        while self._next < len(self._under_way):
            self._resend_at = now + self._resend_s
            out += self._frame(_DATA, self._next)
            self._next += 1
        if self._answer_at is not None and now >= self._answer_at:
            out += self._frame(_ACKNOWLEDGE, 0)
        return bytes(out)

    def next_wakeup(self) -> float | None:
        """When `output` may have something though nothing else happened."""
        if self._hello_at is not None:
            return self._hello_at
        if self._gap_due or self._next < len(self._under_way):
            return 0.0
        if self._under_way and (self._answer_at is None or self._resend_at < self._answer_at):
            return self._resend_at
        return self._answer_at

    def _hello(self, now: float) -> bytes:
        head = bytes([_HELLO | _FROM_BRIDGE, VERSION])
        sessions = self._session.to_bytes(4, "little") + self._peer.to_bytes(4, "little")
        self._hello_at = None if self.ready else now + self._hello_s
        self._hello_s = min(self._hello_s * 2, HELLO_MAX_S)
        return b"\0" + encode_frame(head + sessions + bytes([self._window, self.ready]))

    def _frame(self, kind: int, index: int) -> bytes:
        message, data = self._under_way[index] if kind == _DATA else (0, b"")
        number = (self._base + index) % 256
        self._answer_at = None
        head = bytes([kind | _FROM_BRIDGE, number, self._expected, message])
        return encode_frame(head + data)
