"""Messages of many senders, large ones put together from their parts, within bounds for each."""

from collections import OrderedDict
from typing import Any

from atoll.wire import messages as wire
from atoll.wire.codec import Assembler, decode
from atoll.wire.errors import DecodeError
from atoll.wire.limits import OBJECT_BYTES_MAX

# Senders whose large messages are being put together, and bytes for each of them.
ASSEMBLERS_MAX = 32
ASSEMBLER_BYTES_MAX = 4 * 1_048_576


class Assemblers:
    """One assembler a sender, the one touched the longest ago goes first."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Assembler] = OrderedDict()

    def message(self, sender: str, payload: bytes, allowed: tuple[type, ...]) -> Any:
        """The message in a payload; None while parts of it are missing. Raises WireError."""
        message = decode(payload, allowed=allowed)
        if not isinstance(message, wire.Part):
            return message
        assembler = self._open.pop(sender, None) or Assembler(ASSEMBLER_BYTES_MAX)
        self._open[sender] = assembler
        while len(self._open) > ASSEMBLERS_MAX:
            self._open.popitem(last=False)
        whole = assembler.add(message)
        if whole is None:
            return None
        if not assembler.pending_bytes():
            del self._open[sender]
        message = decode(whole, allowed=allowed, size_max=OBJECT_BYTES_MAX)
        if isinstance(message, wire.Part):
            raise DecodeError("unexpected", "a part of parts")
        return message
