"""Rows of the features of windows: 976 windows of 1,024 samples, one number each.

Peers of integers must not overflow: sums of int16 go to float64 or float32 as their error allows.
Where several ways are known to be fast at times, all of them run and the fastest counts.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import RATE_HZ, WINDOW, Array, Data, Row, Work, close, named, optional

fft, signal, stats = optional("scipy.fft"), optional("scipy.signal"), optional("scipy.stats")
bn, cmsis = optional("bottleneck"), optional("cmsisdsp")

LAG = 7
TONE_HZ = 1_000.0
BAND = (100.0, 200.0)


def row(
    kernel: str,
    plan: str,
    peers: dict[str, Work],
    rtol: float = 1e-5,
    *,
    atol: float = 0.0,
    reads: bool = False,
) -> Row:
    """A row whose result is a number for each window."""
    feature = plan.rpartition("| ")[2].split()[0]
    same = named(feature, close(rtol, atol))
    return Row(kernel, f"window {WINDOW} | {plan}", peers, same, RATE_HZ, reads)


def each(work: Callable[[Array], Any], w: Array) -> Work:
    """A function of one window over all of them: how cmsisdsp is called."""
    return lambda: [work(one) for one in w]


def plain(d: Data) -> list[Row]:
    w, wf, (room, *_) = d.w, d.wf, d.rooms
    whole = d.x.dtype != "f4"

    def peak() -> Array:
        return np.maximum(w.max(1), -w.min(1).astype("i4" if whole else "f4"))

    means = {"numpy": lambda: w.mean(1)}
    rms = {
        "numpy": lambda: np.sqrt(np.einsum("ij,ij->i", given(), room if whole else wf) / WINDOW),
        "numpy vecdot": lambda: np.sqrt(np.vecdot(given(), room if whole else wf) / WINDOW),
        "numpy square": lambda: np.sqrt(np.square(w, out=room, dtype="f4").mean(1)),
    }

    def given() -> Array:
        if whole:
            np.copyto(room, w)
        return room if whole else wf

    if whole:
        means["numpy i8"] = lambda: w.sum(1, dtype="i8") / WINDOW
        means["numpy i4"] = lambda: w.sum(1, dtype="i4") / WINDOW
    if bn and not whole:
        means["bottleneck"] = lambda: bn.nanmean(w, 1)
        rms["bottleneck"] = lambda: np.sqrt(bn.ss(w, 1) / WINDOW)
    if cmsis and not whole:
        means["cmsisdsp"] = each(cmsis.arm_mean_f32, w)
        rms["cmsisdsp"] = each(cmsis.arm_rms_f32, w)
    ends = {"numpy": peak}
    spread = {"numpy": lambda: w.max(1).astype("i4" if whole else "f4") - w.min(1)}
    if bn:
        spread["bottleneck"] = lambda: bn.nanmax(w, 1).astype("f8") - bn.nanmin(w, 1)
    if cmsis and not whole:
        ends["cmsisdsp"] = each(lambda one: cmsis.arm_absmax_no_idx_f32(one), w)
    return [
        row("mean", "mean", means, 1e-5, atol=1e-3, reads=True),
        row("rms", "rms", rms, reads=True),
        row("peak", "peak", ends, reads=True),
        row("p2p", "p2p", spread, reads=True),
        row("crest", "crest", {name: partial(over, peak, work) for name, work in rms.items()}),
        row("zero_crossings", "zero_crossings", {"numpy": lambda: crossings(w)}),
    ]


def over(above: Work, below: Work) -> Any:
    return above() / below()


def crossings(w: Array) -> Array:
    negative = w < 0
    return np.count_nonzero(negative[:, 1:] != negative[:, :-1], axis=1)


def deviations(w: Array, room: Array) -> Array:
    return np.subtract(w, w.mean(1, dtype="f4", keepdims=True), out=room)


def central(power: int, w: Array, rooms: list[Array]) -> Array:
    """Standardised central moment of this power, in float32, without a fresh array."""
    d = deviations(w, rooms[0])
    squares = np.multiply(d, d, out=rooms[1])
    variance = squares.mean(1)
    top = np.vecdot(squares, squares if power == 4 else d) / WINDOW
    return top / variance ** (power / 2)


def ordered(d: Data) -> list[Row]:
    w, rooms = d.w, d.rooms
    t = np.arange(WINDOW, dtype="f4") - (WINDOW - 1) / 2
    weights = t / np.float32((t.astype("f8") ** 2).sum()) * np.float32(RATE_HZ)

    def autocorr() -> Array:
        y = deviations(w, rooms[0])
        return np.vecdot(y[:, :-LAG], y[:, LAG:]) / np.vecdot(y, y)

    kurtosis = {"numpy": lambda: central(4, w, rooms)}
    skewness = {"numpy": lambda: central(3, w, rooms)}
    if stats:
        kurtosis["scipy.stats"] = lambda: stats.kurtosis(d.wf, axis=1, fisher=False)
        skewness["scipy.stats"] = lambda: stats.skew(d.wf, axis=1)
    return [
        row("kurtosis", "kurtosis", kurtosis, 1e-4),
        row("skewness", "skewness", skewness, 1e-3, atol=1e-4),
        row("slope", "slope", {"numpy": lambda: deviations(w, rooms[0]) @ weights}, 1e-3, atol=1),
        row("autocorr", f"autocorr {LAG}", {"numpy": autocorr}, 1e-3, atol=1e-4),
    ]


def largest(y: Array) -> Array:
    return np.maximum(y.max(1), -y.min(1))


def framed(d: Data) -> list[Row]:
    w, wf, (room, *_) = d.w, d.wf, d.rooms
    t = np.arange(WINDOW, dtype="f4") - (WINDOW - 1) / 2
    unit = t / np.float32((t.astype("f8") ** 2).sum())
    hann = (2 * np.sin(np.pi * np.arange(WINDOW) / WINDOW) ** 2).astype("f4")

    def line() -> Array:
        y = deviations(w, room)
        y -= (y @ unit)[:, None] * t
        return largest(y)

    lines: dict[str, Work] = {"numpy": line}
    means: dict[str, Work] = {"numpy": lambda: largest(deviations(w, room))}
    if signal:
        lines["scipy.signal"] = lambda: largest(signal.detrend(wf, 1))
        means["scipy.signal"] = lambda: largest(signal.detrend(wf, 1, "constant"))
    return [
        row("detrend", "detrend | peak", means, 1e-4),
        row("detrend line", "detrend line | peak", lines, 1e-4),
        row(
            "taper",
            "taper | peak",
            {"numpy": lambda: largest(np.multiply(w, hann, out=room))},
            1e-5,
        ),
    ]


def powers(transform: Callable[[Array], Array], w: Array, rooms: list[Array]) -> Array:
    """One-sided power that sums to the mean square."""
    y = transform(w)
    half = WINDOW // 2 + 1
    real = np.multiply(y.real, y.real, out=rooms[0][:, :half])
    real += np.multiply(y.imag, y.imag, out=rooms[1][:, :half])
    real *= np.float32(2 / WINDOW**2)
    real[:, 0] /= 2
    real[:, -1] /= 2
    return real


def power_read(
    transform: Callable[[Array], Array],
    given: Work,
    rooms: list[Array],
    read: Callable[[Array], Array],
) -> Array:
    return read(powers(transform, given(), rooms))


def spectral(d: Data) -> list[Row]:
    wf, rooms, x = d.wf, d.rooms, d.x
    given: Callable[[], Array] = (lambda: wf) if x.dtype == "f4" else (lambda: d.w.astype("f4"))
    transforms = {"numpy.fft": np.fft.rfft}
    if fft:
        transforms["scipy.fft"] = fft.rfft
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ).astype("f4")
    inside = slice(int(np.ceil(BAND[0] / hz[1])), int(BAND[1] / hz[1]) + 1)
    angle = 2 * np.pi * TONE_HZ / RATE_HZ * np.arange(WINDOW)
    turns = np.column_stack([np.cos(angle), np.sin(angle)]).astype("f4")

    def spectra(read: Callable[[Array], Array]) -> dict[str, Work]:
        return {
            name: partial(power_read, transform, given, rooms, read)
            for name, transform in transforms.items()
        }

    def goertzel() -> Array:
        y = given() @ turns
        return np.vecdot(y, y) * (2 / WINDOW**2)

    low, high = f"{BAND[0]:g}", f"{BAND[1]:g}"
    return [
        row(
            "spectrum",
            f"spectrum | band {low} {high}",
            spectra(lambda p: p[:, inside].sum(1)),
            1e-4,
        ),
        row("centroid", "spectrum | centroid", spectra(lambda p: (p @ hz) / p.sum(1)), 1e-4),
        row("goertzel", f"goertzel {TONE_HZ:g}", {"numpy": goertzel}, 1e-3, atol=10),
    ]


def rows(d: Data) -> list[Row]:
    """All rows of windows."""
    return plain(d) + ordered(d) + framed(d) + spectral(d)
