"""A socket for paho that takes and sends the packets of a turn with one call of the system each.

paho asks the socket three times a packet (a byte of type, the length byte by byte, the rest) and
sends every packet by itself; on a gateway of thousands of devices these calls cost more than what
is decided. So this stands between: `fill` takes what has come in, `recv` gives it out in the pieces
that paho asks for; `send` keeps what `flush` sends together, before the loop waits again.
"""

import select
import socket
from contextlib import suppress

# What one turn takes at most, about a hundred heartbeats: who is told of many at once can answer
# and commit them together, and with what another turn costs the rest has not waited for long.
READ_BYTES = 16_384
# Of a packet that does not fit in that, at once: somebody else's number, so it has a bound.
READ_BYTES_MAX = 131_072
# From here on it is sent at once: the rest of the turn may be long.
SEND_BYTES = 65_536


class BufferedSocket:
    """What paho needs of a socket. `again`: what the socket raises when it has nothing to give or
    no room; of TLS these are exceptions of its own.
    """

    def __init__(self, sock: socket.socket, again: tuple[type[Exception], ...]) -> None:
        self._sock = sock
        self._again = again
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._pending = getattr(sock, "pending", None)
        self._in, self._at = b"", 0
        self._wanted = 0
        self.more = False  # has come in than was taken last
        self._ended = False
        self._out = bytearray()

    def fill(self) -> bool:
        """Take what has come in, as much as a turn may; False if there was nothing. `OSError` if
        the connection has broken.
        """
        size = min(max(READ_BYTES, self._wanted), READ_BYTES_MAX)
        try:
            self._in = self._sock.recv(size)
        except self._again:
            self.more = False
            return False
        self.more = len(self._in) == size and bool(self._poll.poll(0))
        self._at = self._wanted = 0
        self._ended = not self._in
        return True

    @property
    def holds(self) -> bool:
        """Whether `recv` has something to give, or the end to tell."""
        return self._at < len(self._in) or self._ended

    @property
    def hidden(self) -> bool:
        """Whether TLS has taken more from the socket than it has given: the loop cannot see it."""
        return self._pending is not None and self._pending() > 0

    @property
    def waiting(self) -> bool:
        """Whether something is to be sent."""
        return bool(self._out)

    def flush(self) -> None:
        """Send what waits, as far as there is room. `OSError` if the connection has broken."""
        while self._out:
            try:
                sent = self._sock.send(self._out)
            except self._again:
                return
            del self._out[:sent]

    # --- what paho calls ---

    def recv(self, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end. `BlockingIOError`: not yet."""
        at = self._at
        data = self._in[at : at + size]
        if not data and not self._ended:
            self._wanted = size
            raise BlockingIOError
        self._at = at + len(data)
        return data

    def send(self, data: bytes) -> int:
        """Keep it for `flush`. What waits is bounded by who publishes: see link.py."""
        self._out += data
        if len(self._out) >= SEND_BYTES:
            self.flush()
        return len(data)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def setblocking(self, blocking: bool) -> None:
        """As of a socket."""
        self._sock.setblocking(blocking)

    def close(self) -> None:
        """paho ends the connection: what it has sent, a goodbye above all, goes out before."""
        with suppress(OSError):
            self.flush()
        self._sock.close()
