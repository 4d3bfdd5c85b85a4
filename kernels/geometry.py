"""How samples, stages' outputs and windows of a plan lie on each other.

A stage either keeps `halo` samples back before its first output (finite memory), hands on one
sample of `by`, or makes `up` of `by`. Outputs so are an affine function of inputs, and pieces of a
stream that start at multiples of `step` and share `overlap` samples give each window exactly once.
"""

from functools import cached_property
from math import gcd
from typing import NamedTuple

from atoll.kernels.errors import PlanError
from atoll.kernels.grammar import Op


class Link(NamedTuple):
    """One sample stage: outputs = ceil((inputs - halo) up / by)."""

    halo: int
    by: int
    up: int = 1


class Geometry:
    """The sample stages of a plan in order, and its window (1, 1 without one); immutable."""

    def __init__(self, links: tuple[Link, ...], window: int, hop: int) -> None:
        self.links = links
        self.window = window
        self.hop = hop

    @cached_property
    def ratio(self) -> tuple[int, int]:
        """Input samples for each sample that leaves the stages, as a fraction in lowest terms."""
        return self._ratio(self.links)

    @staticmethod
    def _ratio(links: tuple[Link, ...]) -> tuple[int, int]:
        up = by = 1
        for link in links:
            up, by = up * link.up, by * link.by
        common = gcd(up, by)
        return by // common, up // common

    @cached_property
    def step(self) -> int:
        """Input samples after which the stages and the windows stand as they did at the first."""
        step = 1
        for k in range(len(self.links) + 1):
            by, up = self._ratio(self.links[:k])
            if k == len(self.links):
                by, up = by * self.hop, up
            whole = by // gcd(by, up)
            step = step * whole // gcd(step, whole)
        return step

    @cached_property
    def windows_a_step(self) -> int:
        """How many windows begin in a step: one, unless samples are made more."""
        by, up = self.ratio
        return self.step * up // (by * self.hop)

    def inputs(self, outputs: int) -> int:
        """Samples that must enter the stages before so many have left them."""
        for link in reversed(self.links):
            outputs = (outputs - 1) * link.by // link.up + 1 + link.halo
        return outputs

    @property
    def need(self) -> int:
        """Input samples of one window."""
        return self.inputs(self.window)

    @property
    def span(self) -> int:
        """Input samples of all windows that begin in one step."""
        return self.inputs((self.windows_a_step - 1) * self.hop + self.window)

    @property
    def separable(self) -> bool:
        """Whether a piece of `span` samples holds no window of the next step."""
        return self.inputs(self.windows_a_step * self.hop + self.window) > self.span

    def outputs(self, n: int) -> int:
        """Samples that leave the stages when the first n of a stream have entered."""
        for link in self.links:
            n = max(0, -(-(n - link.halo) * link.up // link.by))
        return n

    def windows(self, n: int) -> int:
        """Windows that lie whole in n input samples, the first at the first."""
        given = self.outputs(n)
        return (given - self.window) // self.hop + 1 if given >= self.window else 0


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
    return len(op.words) - FIR_HEAD if op.words[0] == FIR_GIVEN else op.words[1]


FIR_GIVEN = 3  # `fir taps ...`: the numbers are the taps
FIR_HEAD = 3  # words before them


def resample_taps(up: int, by: int, half: int) -> int:
    """Taps of each of the `up` phases of a resampling filter of 2 half max(up, by) + 1 taps."""
    return -(-(2 * half * max(up, by) + 1) // up)


def geometry(ops: tuple[Op, ...]) -> Geometry:
    """Of a plan's operations; PlanError where windows follow each other too closely to be cut."""
    links = []
    window = hop = 1
    for op in ops:
        if op.kernel.name == "decimate":
            links.append(Link(0, op.words[0]))
        elif op.kernel.name == "resample":
            up, by, half = op.words
            links.append(Link(resample_taps(up, by, half) - 1, by, up))
        elif op.kernel.group == "sample":
            links.append(Link(halo(op), 1))
        elif op.kernel.group == "window":
            window, hop = op.words
    lies = Geometry(tuple(links), window, hop)
    if not lies.separable:
        raise PlanError(
            f"windows {hop} resampled samples apart begin in the same sample of the stream: "
            f"hop={-(-lies.ratio[1] // lies.ratio[0])} or more"
        )
    return lies
