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
        self._places: dict[int, dict[bytes, int]] = {}

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
            found = self._offsets(first).get(batches[first])
            if found is None:
                return len(batches)
            offset = found
        return sum(self.partial(sample, offset) != data for sample, data in batches.items())

    def _offsets(self, sample: int) -> dict[bytes, int]:
        """Where in the recording a run began, by the bytes of its batch at `sample`."""
        if sample not in self._places:
            last = len(self._samples) - self._every - self._plan.overlap - sample
            found = {self.partial(sample, offset): offset for offset in range(last, -1, -1)}
            self._places[sample] = found
        return self._places[sample]
