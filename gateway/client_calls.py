"""The requests of one client that wait for answers: what is open, what came back, what to say
again.

Pure bookkeeping without a clock or a thread of its own. A request may be lost with the gateway that
took it, and an answer with the connection it was on its way through; so every open request is said
again, in the order in which it was made, once the gateway has started anew or the connection was.
That is safe: a put carries an id by which a repeated piece is stored once, and a query asked twice
answers the same.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.codec import Assembler, Message, decode, encode
from atoll.wire.errors import DecodeError
from atoll.wire.messages import PROGRESS, Part, Reply

# Request numbers travel in 32 bits.
_NUMBERS = 2**32


class Answer(NamedTuple):
    """A reply, or in its place the error that ended the wait."""

    reply: Reply | None
    error: Exception | None


class Call:
    """One open request and the replies that nobody has taken yet."""

    def __init__(self, number: int, payload: bytes) -> None:
        self.number = number
        self.payload = payload
        self.answers: deque[Answer] = deque()
        self.finished = False


class Calls:
    """All open requests of one client."""

    def __init__(self, first: int = 1) -> None:
        """`first`: the number to begin with. A client that comes back under its old name begins at
        a random one, for the gateway knows an old request by its number.
        """
        self._open: dict[int, Call] = {}
        self._assembler = Assembler()
        self._next = first
        self.refused: dict[str, int] = {}

    def make(self, build: Callable[[int], Message]) -> Call:
        """Open a request; `build` makes its message from its number."""
        number = self._next
        call = Call(number, encode(build(number)))
        self._next = number % (_NUMBERS - 1) + 1
        self._open[number] = call
        return call

    def drop(self, call: Call) -> None:
        """Nobody waits for this one any more."""
        self._open.pop(call.number, None)

    def received(self, payload: bytes) -> Call | None:
        """Take in what came on the reply topic; returns the call it answers. Damage is counted."""
        try:
            message = decode(payload, allowed=(Part, Reply))
            if isinstance(message, Part):
                whole = self._assembler.add(message)
                if whole is None:
                    return None
                message = decode(whole, allowed=(Reply,), size_max=limits.OBJECT_BYTES_MAX)
        except DecodeError as error:
            self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
            return None
        call = self._open.get(message.request)
        if call is None:
            return None
        call.answers.append(Answer(message, None))
        if message.status != PROGRESS:
            call.finished = True
            del self._open[call.number]
        return call

    def fail(self, error: Exception) -> None:
        """End every wait with this error."""
        for call in self._open.values():
            call.answers.append(Answer(None, error))
            call.finished = True
        self._open.clear()

    def again(self) -> list[bytes]:
        """The open requests, oldest first, to be sent once more."""
        return [call.payload for call in self._open.values()]
