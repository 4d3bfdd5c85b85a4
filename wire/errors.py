"""What can be wrong on the wire, and whose fault it is.

`DecodeError`: the peer sent what the protocol does not allow; it is counted by `reason` and
dropped, never believed. `EncodeError`: our own code asked for a message outside its bounds; that is
a defect of the caller.
"""


class WireError(ValueError):
    """Root of the package's errors. `reason` is one word to count by; the message says what and
    where.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{detail} ({reason})")
        self.reason = reason
        self.detail = detail


class DecodeError(WireError):
    """What came in is not a message (block, topic) of the protocol."""


class EncodeError(WireError):
    """What should go out is outside the schema's bounds."""
