"""Shapes that many messages share, and the version of the schema."""

from atoll.wire import limits
from atoll.wire.schema import I64, U32, U64, Int, Shape, Text, Uint

PROTOCOL = 2  # version of this schema; N and N-1 work together

NAME = Text(limits.NAME_BYTES_MAX)
KEY = Text(limits.KEY_BYTES_MAX)
REASON = Text(limits.REASON_BYTES_MAX)
WALL = Int(-I64, I64)
HEAD: dict[str, Shape] = {"boot": Uint(U32), "epoch": Uint(U64), "lease": Uint(U32)}
