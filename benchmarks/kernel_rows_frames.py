"""Rows of what cuts and spreads samples: windows that overlap, channels, resampling."""

from collections.abc import Callable
from functools import partial

import numpy as np
from kernel_rows import RATE_HZ, WINDOW, Array, Data, Row, Work, close, named, optional
from kernel_rows_samples import row

signal = optional("scipy.signal")

HOP = WINDOW // 2
CHANNELS = 4
UP, DOWN, HALF = 3, 2, 10


def overlapping(d: Data) -> list[Row]:
    """rms of windows that overlap by half: all of each, or squares of halves joined."""
    whole = d.x.dtype != "f4"
    room = np.empty_like(d.f)

    def given() -> Array:
        if whole:
            np.copyto(room, d.x)
        return room if whole else d.f

    def all_of_each() -> Array:
        w = np.lib.stride_tricks.sliding_window_view(given(), WINDOW)[::HOP]
        return np.sqrt(np.vecdot(w, w) / WINDOW)

    def halves(squares: Callable[[Array], Array]) -> Array:
        part = squares(given()[: len(d.x) // HOP * HOP].reshape(-1, HOP))
        return np.sqrt((part[1:] + part[:-1]) / WINDOW)

    def in_pairs(w: Array) -> Array:
        return np.square(w, out=squared[: len(w)]).sum(1)

    squared = np.empty((len(d.x) // HOP, HOP), "f4")
    peers = {"numpy, halves": partial(halves, in_pairs)}
    loose: dict[str, Work] = {
        "vecdot": all_of_each,
        "vecdot, halves": partial(halves, lambda w: np.vecdot(w, w)),
    }
    plan = f"window {WINDOW} hop={HOP} | rms"
    return [Row("window", plan, peers, named("rms", close(1e-5)), RATE_HZ, loose=loose)]


def side_by_side(d: Data) -> list[Row]:
    """rms of four channels, sample by sample in turn."""
    length = WINDOW // CHANNELS
    count = len(d.x) // WINDOW
    shape = (count, length, CHANNELS)
    x = d.x[: count * WINDOW].reshape(shape)
    room = np.empty(shape, "f4")

    def squared() -> Array:
        return np.sqrt(np.square(x, out=room, dtype="f4").sum(1) / length)

    def summed() -> Array:
        if x.dtype == "f4":
            return np.sqrt(np.einsum("ijk,ijk->ik", x, x) / length)
        np.copyto(room, x)
        return np.sqrt(np.einsum("ijk,ijk->ik", room, room) / length)

    def each() -> Array:
        """One after the other: numpy adds along one axis in pairs, by vectors."""
        y = np.square(x, out=room, dtype="f4")
        sums = [y[:, :, channel].sum(1) for channel in range(CHANNELS)]
        return np.sqrt(np.stack(sums, 1) / length)

    def halved() -> Array:
        """Halves of all rows added to halves, as long as they hold more than the channels."""
        y = np.square(x, out=room, dtype="f4").reshape(count, -1)
        while y.shape[1] > CHANNELS:
            half = y.shape[1] // 2
            y = np.add(y[:, :half], y[:, half:])
        return np.sqrt(y / length)

    plan, same = f"channels {CHANNELS} | window {length} | rms", named("rms", close(1e-5))
    peers: dict[str, Work] = {"numpy": squared, "numpy, each": each, "numpy, halves": halved}
    return [Row("channels", plan, peers, same, RATE_HZ, loose={"einsum": summed})]


def phases(taps: Array) -> Array:
    """A column an output of one turn (DOWN samples): its taps where its samples stand."""
    each = -(-len(taps) // UP)
    padded = np.zeros(each * UP, "f4")
    padded[: len(taps)] = taps
    table = np.zeros((each + (UP - 1) * DOWN // UP, UP), "f4")
    for k in range(UP):
        behind, phase = divmod(k * DOWN, UP)
        table[behind : behind + each, k] = padded[phase::UP][::-1]
    return table


def resampled(d: Data) -> list[Row]:
    """Three samples for two, where the filter has all it needs."""
    if not signal:
        return []
    x, most = d.x, max(UP, DOWN)
    taps = UP * signal.firwin(2 * HALF * most + 1, 1 / most, window=("kaiser", 5.0)).astype("f4")
    table = phases(taps)
    first, end = ((len(taps) - 1) // UP) * UP // DOWN, -(-len(x) * UP // DOWN)
    given: Callable[[], Array] = (lambda: d.f) if x.dtype == "f4" else (lambda: x.astype("f4"))

    def product() -> Array:
        """All outputs of a turn at once: windows of the samples by the table."""
        w = np.lib.stride_tricks.sliding_window_view(given(), len(table))[::DOWN]
        return (w @ table).ravel()

    peers: dict[str, Work] = {
        "scipy.signal": lambda: signal.upfirdn(taps, given(), UP, DOWN)[first:end],
    }
    return [row("resample", f"resample {UP} {DOWN} half={HALF}", peers, 1e-5, {"@": product})]


def rows(d: Data) -> list[Row]:
    """All of these."""
    return overlapping(d) + side_by_side(d) + resampled(d)
