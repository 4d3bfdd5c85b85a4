"""What partials of a board's standing job must be: those of `Plan.partial` over the same samples.

A board numbers its batches by run and first sample (docs/wire.md, Program), and says nowhere where
in its recording a run began: where the first batch is the same bytes, that is where.
"""

from collections.abc import Mapping
from typing import Any

from atoll.kernels import Plan


class BoardRuns:
    """One job over one board's recording (16-bit samples), `every` samples a batch."""

    def __init__(self, plan: Plan, samples: Any, rate_hz: float, every: int, key: str) -> None:
        self._plan, self._samples, self._every = plan, samples, every
        self._rate_hz, self._key = rate_hz, key
        self._places: dict[int, dict[bytes, int]] = {}  # by a batch's sample: its bytes, where
        self._searched: dict[int, int] = {}  # ... and how far the recording was tried

    def partial(self, sample: int, offset: int = 0) -> bytes:
        """Of the batch that begins with this sample of a run, `offset` samples after the
        recording's first one.
        """
        at = offset + sample
        piece = self._samples[at : at + self._every + self._plan.overlap]
        return self._plan.partial(piece, self._rate_hz, start=sample, key=self._key)

    def missing(self, batches: Mapping[int, bytes]) -> int:
        """How many batches a run lacks between its first sample and its last batch."""
        return max(batches) // self._every + 1 - len(batches)

    def differing(self, batches: Mapping[int, bytes]) -> int:
        """How many batches of a run (first sample to bytes) are not what `Plan` makes of them."""
        first = min(batches)
        offset = 0
        if self.partial(first) != batches[first]:
            found = self._offset(first, batches[first])
            if found is None:
                return len(batches)
            offset = found
        return sum(self.partial(sample, offset) != data for sample, data in batches.items())

    def _offset(self, sample: int, data: bytes) -> int | None:
        """Where in the recording a run began whose batch at `sample` is these bytes."""
        places = self._places.setdefault(sample, {})
        last = len(self._samples) - self._every - self._plan.overlap - sample
        for offset in range(self._searched.get(sample, 0), last + 1):
            if data in places:
                break
            places.setdefault(self.partial(sample, offset), offset)
            self._searched[sample] = offset + 1
        return places.get(data)
