"""Samples on their way from the sources' threads to the loop: bounded, the rest is dropped."""

from threading import Lock

from atoll.runtime.events import Sampled


class Inflow:
    """Counts what waits; any thread admits, the loop takes out."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = Lock()
        self._waiting = 0
        self._cut_off: set[str] = set()
        self.dropped = 0  # samples

    def admit(self, event: Sampled) -> Sampled | None:
        """The event, with a gap where something before it was dropped; None: it is dropped."""
        size = _size(event)
        with self._lock:
            if self._waiting and self._waiting + size > self._bytes_max:
                self._cut_off.add(event.dataset)
                self.dropped += event.sample_count * len(event.samples)
                return None
            self._waiting += size
            if event.dataset not in self._cut_off:
                return event
            self._cut_off.discard(event.dataset)
        return event._replace(gap=True)

    def done(self, event: Sampled) -> None:
        """The loop has taken an event."""
        with self._lock:
            self._waiting -= _size(event)


def _size(event: Sampled) -> int:
    return sum(len(data) for _, data in event.samples)
