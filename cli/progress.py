"""A progress bar for the person looking on; silent when stderr is not a terminal."""

import shutil
import sys
import time
from types import TracebackType
from typing import Self

# Repainting costs a write; ten a second look smooth.
_PAINT_INTERVAL_S = 0.1


class Progress:
    """`progress(done, total)` paints one line on stderr; leaving the context wipes it."""

    def __init__(self, label: str, unit: str = "") -> None:
        self._label = label
        self._unit = unit
        self._painted_s = 0.0
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown and self._painted_s:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` is done."""
        now = time.monotonic()
        if not self._shown or (now - self._painted_s < _PAINT_INTERVAL_S and done < total):
            return
        self._painted_s = now
        share = done / total if total else 0.0
        tail = f" {share:4.0%} {_short(done)}/{_short(total)}{self._unit}"
        room = shutil.get_terminal_size().columns - len(self._label) - len(tail) - 4
        width = max(5, min(40, room))
        filled = int(width * share)
        bar = "█" * filled + "·" * (width - filled)
        sys.stderr.write(f"\r\x1b[K{self._label} {bar}{tail}")
        sys.stderr.flush()


def _short(count: int) -> str:
    """1234567 as 1.2M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / (1000 if letter == 'k' else size):.1f}{letter}"
    return str(count)
