"""What a plan costs before it runs.

RAM comes from the portable part itself (state_size), so it is what the interpreter uses. Flash is
the table below, printed by the firmware's size report; operations are counted by hand, an
addition, multiplication or comparison each one.
"""

from atoll.kernels.errors import PlanError
from atoll.kernels.grammar import Op

_FLASH_BASE = 4200  # interpreter, program layout, codec
_FLASH: dict[str, int] = {}
_FLASH_DEFAULT = 400
BOARDS = ("m0", "m3", "m4f", "m7", "m33")


def flash_bytes(kernels: tuple[str, ...], board: str | None) -> int:
    """Bytes of code of these kernels with the interpreter."""
    if board is not None and board not in BOARDS:
        raise PlanError(f"board {board!r} is none of {', '.join(BOARDS)}")
    return _FLASH_BASE + sum(_FLASH.get(name, _FLASH_DEFAULT) for name in kernels)


def ops_per_sample(ops: tuple[Op, ...], hop: int) -> float:
    """Operations a sample of the stream, windows that overlap counted as often as they run."""
    window = next((op.words[0] for op in ops if op.kernel.group == "window"), 1)
    reuse = window / hop
    features = max(1, sum(op.kernel.group == "feature" for op in ops))
    windowed = any(op.kernel.group == "window" for op in ops)
    total = 0.0
    for op in ops:
        if op.kernel.group == "sample":
            total += op.kernel.ops
        elif op.kernel.group in ("frame", "feature"):
            total += op.kernel.ops * reuse
        elif op.kernel.group == "reducer":
            total += op.kernel.ops * (features / hop if windowed else 1)
    return total
