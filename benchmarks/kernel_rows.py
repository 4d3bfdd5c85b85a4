"""What a row of `make bench-kernels` is, and the samples that all rows share.

A row names a plan, the peers' ways to the same result over the same array, and how to tell that a
peer's result is ours. Peers are used as somebody who knows them would: arrays of results are made
before the clock starts where their API takes one, tables and designs too, float32 stays float32.
"""

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from atoll.kernels import Plan
from atoll.kernels.models import Model

SAMPLES = 1_000_000
WINDOW = 1_024
RATE_HZ = 12_000.0

Array = Any  # of numpy; its dtypes differ from row to row
Work = Callable[[], Any]


class Row(NamedTuple):
    """A kernel against its peers. same: takes our result and a peer's.

    loose: ways to the result whose float sums run in an order that depends on the machine, and so
    do their bits: BLAS (`@`, vecdot, convolve) has an order for each processor, einsum one for each
    vector width, cmsisdsp's wheel is built with -ffast-math. They are timed, shown and compared as
    the peers are, but give a weaker guarantee: the ratio that counts is that of the peers.
    """

    kernel: str
    plan: str
    peers: Mapping[str, Work]
    same: Callable[[Any, Any], bool]
    rate: float | None = None
    reads: bool = False  # a reduction, whose share of the memory's bandwidth is of interest
    models: Mapping[str, Model] = {}
    loose: Mapping[str, Work] = {}

    def made(self) -> Plan:
        """The plan, with its models."""
        return Plan(self.plan, self.models)


class Data(NamedTuple):
    """The samples of one dtype, and what every expert would have at hand."""

    dtype: str
    x: Array  # the samples
    f: Array  # the same as float32
    w: Array  # whole windows of x as rows, no copy
    wf: Array  # of f
    out: Array  # room for a float32 a sample
    wide: Array  # room for a result of the samples' kind: int32 or float32
    rooms: list[Array]  # of the windows' shape, float32


def data(dtype: str, samples: int = SAMPLES) -> Data:
    """1 M samples of noise with a little offset, as a sensor gives them."""
    noise = np.random.default_rng(1).normal(100, 3000, samples).clip(-32768, 32767)
    x = noise.astype(dtype)
    f = x.astype("f4")
    wf = windows(f)
    kind = "i4" if x.dtype.kind == "i" else "f4"
    rooms = [np.empty_like(wf) for _ in range(3)]
    return Data(dtype, x, f, windows(x), wf, np.empty_like(f), np.empty(samples, kind), rooms)


def optional(name: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return import_module(name)
    except ImportError:
        return None


def windows(x: Array, length: int = WINDOW) -> Array:
    """Whole windows as rows, without a copy."""
    return x[: len(x) // length * length].reshape(-1, length)


def close(rtol: float = 1e-5, atol: float = 0.0) -> Callable[[Any, Any], bool]:
    """Equal within a relative and an absolute error, element by element."""
    return lambda ours, theirs: bool(
        np.allclose(np.asarray(ours, "f8"), np.asarray(theirs, "f8"), rtol, atol)
    )


def named(name: str, same: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """`same` of our result's entry of this name."""
    return lambda ours, theirs: same(ours[name], theirs)


def fsums(*columns: Array) -> list[float]:
    """Exact sums, each rounded once: the only ones in numpy's neighbourhood."""
    return [math.fsum(column) for column in columns]
