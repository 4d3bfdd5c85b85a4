"""Runs `atoll` with a clock that goes faster: what a day brings is seen in minutes.

    python benchmarks/hurried.py TIMES VERB ...

Clocks of Python (monotonic and wall) go TIMES as fast, and every wait of ours is TIMES as short.
Work takes the time that it takes, so keep TIMES so low that the process still waits mostly.
"""

import queue
import selectors
import sys
import threading
import time
from typing import Any


def hurry(times: float) -> None:
    """Let this process's time pass so much faster. Before anything of ours is imported."""
    monotonic, wall, sleep = time.monotonic, time.time, time.sleep
    began, began_wall = monotonic(), wall()
    time.monotonic = lambda: began + (monotonic() - began) * times
    time.time = lambda: began_wall + (monotonic() - began) * times
    time.sleep = lambda seconds: sleep(float(seconds) / times)

    wait = threading.Condition.wait

    def wait_less(self: threading.Condition, timeout: float | None = None) -> bool:
        return wait(self, None if timeout is None else timeout / times)

    threading.Condition.wait = wait_less  # type: ignore[method-assign]

    class Queue(queue.SimpleQueue[Any]):
        """Waits shorter."""

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            return super().get(block, None if timeout is None else timeout / times)

    queue.SimpleQueue = Queue  # type: ignore[misc]

    select = selectors.DefaultSelector.select

    def select_less(self: Any, timeout: float | None = None) -> Any:
        return select(self, None if timeout is None else timeout / times)

    selectors.DefaultSelector.select = select_less  # type: ignore[method-assign]


def main() -> int:
    hurry(float(sys.argv[1]))
    sys.argv = ["atoll", *sys.argv[2:]]
    from atoll.cli.main import run

    return run()


if __name__ == "__main__":
    sys.exit(main())
