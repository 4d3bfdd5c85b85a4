"""Standing jobs for microcontrollers: the plan as a program for each stream that a board samples.

A board designs no filters and parses no plans: the gateway does, for the stream's dtype and rate,
and sends the interpreter's words. The board says itself what does not fit its memory.
"""

from collections.abc import Iterable, Mapping

from atoll.gateway.records import StandingSet
from atoll.kernels import KernelError, Plan
from atoll.wire import messages as wire
from atoll.wire.codec import encode


def batch_samples(row: StandingSet, step: int, rate_hz: float) -> int:
    """Samples from one batch of a stream to the next."""
    if not row.every_ms:
        return row.every
    return max(step, round(rate_hz * row.every_ms / 1_000) // step * step)


def unfit(kernels: Iterable[str], board: Mapping[str, str], own: Mapping[str, str]) -> str:
    """Why a board's image cannot run these kernels, or an empty text.

    board: the receipts of its birth, kernel to hash in hex; empty where it told none, and then it
    refuses itself what it has not. own: those of the gateway; empty: not compared.
    """
    wanted = sorted(kernels) if board else []
    if missing := [name for name in wanted if name not in board]:
        return f"its image has no kernel {', '.join(missing)}"
    if differ := [name for name in wanted if own and own.get(name) != board[name]]:
        return f"its receipts of {', '.join(differ)} are not those of this gateway"
    return ""


def programs(
    row: StandingSet,
    plan: Plan,
    sources: Iterable[wire.StreamInfo],
    head: tuple[int, int, int],
    message_max: int,
) -> tuple[list[wire.Program], list[str]]:
    """The orders of one job for the streams of a board, and why some have none."""
    found: list[wire.Program] = []
    reasons: list[str] = []
    for info in sources:
        if info.dataset != row.dataset:
            continue
        every = batch_samples(row, plan.step, info.rate_hz)
        try:
            words = plan.words(info.dtype, info.rate_hz, info.scale)
        except KernelError as error:
            reasons.append(f"{info.key}: {error}")
            continue
        message = wire.Program(*head, row.name, info.key, every, plan.overlap, words)
        size = len(encode(message))
        if size > message_max:
            reasons.append(
                f"{info.key}: the program of {plan.text!r} takes {size} bytes, and the board takes"
                f" messages of at most {message_max}"
            )
            continue
        found.append(message)
    return found, reasons
