"""Samples that a device hands over by itself, read from a descriptor: `serial`, `alsa`, and `iio`
with a buffer.

One thread waits for the descriptor. Where it breaks off (a plug was pulled) the source's `trouble`
says so, it is opened again once a second, and what comes then begins with a gap.
"""

import os
import select
from threading import Thread
from time import monotonic, time
from typing import NamedTuple, Protocol

from atoll.runtime.errors import UsageError
from atoll.runtime.events import Sampled
from atoll.runtime.sources import Post, clock_quality
from atoll.wire.messages import StreamInfo

RETRY_S = 1.0
READ_BYTES = 65_536


class Piece(NamedTuple):
    """Samples that follow each other: a column for each stream; `gap`: not what came before."""

    columns: list[bytes]
    samples: int
    gap: bool


class Feed(Protocol):
    """A device that hands over samples. `pace_s`: how long more is waited for once something has
    come; `missed` counts what was lost or was no sample.
    """

    pace_s: float
    missed: int

    def open(self) -> int:
        """Begin, from nothing; the descriptor. Raises `OSError` or `UsageError`."""
        ...

    def take(self, data: bytes) -> list[Piece]:
        """Samples in what was read; the rest is kept for the next call, within bounds."""
        ...

    def close(self) -> str:
        """Give everything back; what the device said about its end, if anything."""
        ...


class FlowSource:
    """A feed as a source."""

    topic = ""
    late = 0

    def __init__(self, dataset: str, streams: list[StreamInfo], feed: Feed) -> None:
        self.dataset = dataset
        self.streams = streams
        self._feed = feed
        self._period_s = 1.0 / streams[0].rate_hz
        self._stopper = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread: Thread | None = None
        self.trouble = ""
        self._gap = False

    @property
    def missed(self) -> int:
        """Samples that were lost on the way, as far as the device tells."""
        return self._feed.missed

    def start(self, post: Post) -> None:
        """Begin to read."""
        name = f"source-{self.dataset}"
        self._thread = Thread(target=self._run, args=(post,), name=name, daemon=True)
        self._thread.start()

    def take(self, payload: bytes) -> Sampled | None:
        """Nothing comes by message."""
        return None

    def stop(self) -> None:
        """End."""
        os.eventfd_write(self._stopper, 1)
        if self._thread is not None:
            self._thread.join(2.0)

    def _stopped(self, wait_s: float) -> bool:
        """Whether the source is to end, waiting for that so long."""
        return bool(select.select([self._stopper], [], [], wait_s)[0])

    def _run(self, post: Post) -> None:
        while not self._stopped(0.0):
            try:
                file = self._feed.open()
                self.trouble = ""
                why = self._read(file, post)
            except UsageError as error:
                why = str(error)
            except OSError as error:
                why = f"source {self.dataset}: {error.filename or ''}: {error.strerror}"
            said = self._feed.close()
            if not why:
                break
            self.trouble = f"{why}: {said}" if said else why
            self._gap = True
            if self._stopped(RETRY_S):
                break

    def _read(self, file: int, post: Post) -> str:
        """Read until the source is to end (empty) or the descriptor does (why)."""
        waiter = select.poll()
        waiter.register(file, select.POLLIN)
        waiter.register(self._stopper, select.POLLIN)
        since = monotonic()
        while True:
            ready = dict(waiter.poll())
            if self._stopper in ready:
                return ""
            if self._feed.pace_s:
                since = monotonic()
                if self._stopped(self._feed.pace_s):
                    return ""
            try:
                data = os.read(file, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                return f"source {self.dataset}: {error.strerror}"
            if not data:
                return f"source {self.dataset}: it ended"
            now = monotonic()
            self._hand_on(self._feed.take(data), now, now - since, post)
            since = now

    def _hand_on(self, pieces: list[Piece], now: float, elapsed_s: float, post: Post) -> None:
        """The last sample came now, the first a period each before it, but within `elapsed_s`."""
        left = sum(piece.samples for piece in pieces)
        keys = [info.key for info in self.streams]
        wall_s = time()
        for columns, count, gap in pieces:
            before_s = min(left * self._period_s, elapsed_s)
            left -= count
            times = (int((now - before_s) * 1_000), int((wall_s - before_s) * 1_000))
            samples = list(zip(keys, columns, strict=True))
            gap, self._gap = gap or self._gap, False
            quality = clock_quality(wall_s)
            post(Sampled(self.dataset, samples, count, *times, quality, gap))
