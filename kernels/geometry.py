"""How samples, stages' outputs and windows of a plan lie on each other.

A stage either keeps `halo` samples back before its first output (finite memory) or hands on one
sample of `by`. Outputs so are an affine function of inputs, and pieces of a stream that start at
multiples of `step` and share `overlap` samples give each window exactly once.
"""

from typing import NamedTuple

from atoll.kernels.grammar import Op


class Link(NamedTuple):
    """One sample stage: outputs = ceil((inputs - halo) / by)."""

    halo: int
    by: int


class Geometry(NamedTuple):
    """The sample stages of a plan in order, and its window (1, 1 without one)."""

    links: tuple[Link, ...]
    window: int
    hop: int

    @property
    def scale(self) -> int:
        """Input samples for each sample that leaves the stages."""
        total = 1
        for link in self.links:
            total *= link.by
        return total

    @property
    def step(self) -> int:
        """Input samples from window to window."""
        return self.hop * self.scale

    @property
    def need(self) -> int:
        """Input samples of one window."""
        n = self.window
        for link in reversed(self.links):
            n = (n - 1) * link.by + 1 + link.halo
        return n

    def outputs(self, n: int) -> int:
        """Samples that leave the stages when the first n of a stream have entered."""
        for link in self.links:
            n = max(0, -(-(n - link.halo) // link.by))
        return n

    def windows(self, n: int) -> int:
        """Windows that lie whole in n input samples, the first at the first."""
        return (n - self.need) // self.step + 1 if n >= self.need else 0


def halo(op: Op) -> int:
    """Samples that a stage keeps back before its first output."""
    name = op.kernel.name
    if name == "diff":
        return 1
    if name == "median":
        return op.words[0] - 1
    if name == "fir":
        return fir_taps(op) - 1
    return 0


def fir_taps(op: Op) -> int:
    """Number of taps: as many as are given, or as `taps=` says."""
    return len(op.words) - 2 if op.words[0] == FIR_GIVEN else op.words[1]


FIR_GIVEN = 3  # `fir taps ...`: the numbers are the taps


def geometry(ops: tuple[Op, ...]) -> Geometry:
    """Of a plan's operations."""
    links = []
    window = hop = 1
    for op in ops:
        if op.kernel.name == "decimate":
            links.append(Link(0, op.words[0]))
        elif op.kernel.group == "sample":
            links.append(Link(halo(op), 1))
        elif op.kernel.group == "window":
            window, hop = op.words
    return Geometry(tuple(links), window, hop)
