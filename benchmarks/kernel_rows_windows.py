"""Rows of the features of windows: 976 windows of 1,024 samples, one number each.

Peers of integers must not overflow: sums of int16 go to float64 or float32 as their error allows.
Where several ways are known to be fast at times, all of them run and the fastest counts.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import RATE_HZ, WINDOW, Array, Data, Row, Work, close, named, optional

fft, signal, stats = optional("scipy.fft"), optional("scipy.signal"), optional("scipy.stats")
bn, cmsis = optional("bottleneck"), optional("cmsisdsp")

Dot = Callable[[Array, Array], Array]

LAG = 7
TONE_HZ = 1_000.0
BAND = (100.0, 200.0)


def row(
    kernel: str,
    plan: str,
    peers: Mapping[str, Work],
    rtol: float = 1e-5,
    *,
    atol: float = 0.0,
    reads: bool = False,
    loose: Mapping[str, Work] | None = None,
) -> Row:
    """A row whose result is a number for each window."""
    feature = plan.rpartition("| ")[2].split()[0]
    same = named(feature, close(rtol, atol))
    text = f"window {WINDOW} | {plan}"
    return Row(kernel, text, peers, same, RATE_HZ, reads, loose=loose or {})


def each(work: Callable[[Array], Any], w: Array) -> Work:
    """A function of one window over all of them: how cmsisdsp is called."""
    return lambda: [work(one) for one in w]


def plain(d: Data) -> list[Row]:
    w, wf, (room, *_) = d.w, d.wf, d.rooms
    whole = d.x.dtype != "f4"

    def peak() -> Array:
        return np.maximum(w.max(1), -w.min(1).astype("i4" if whole else "f4"))

    means = {"numpy": lambda: w.mean(1)}
    wide = np.empty(w.shape, "f8") if whole else room
    rms = {"numpy": lambda: np.sqrt(np.square(w, out=room, dtype="f4").mean(1))}
    loose = {
        "einsum": lambda: np.sqrt(np.einsum("ij,ij->i", given(), room if whole else wf) / WINDOW),
        "vecdot": lambda: np.sqrt(np.vecdot(given(), room if whole else wf) / WINDOW),
    }
    loose_means: dict[str, Work] = {}

    def exact() -> Array:
        # Below 2^53 in any order: as exact as ours.
        np.copyto(wide, w)
        return np.sqrt(np.vecdot(wide, wide) / WINDOW)

    def given() -> Array:
        if whole:
            np.copyto(room, w)
        return room if whole else wf

    if whole:
        means["numpy i8"] = lambda: w.sum(1, dtype="i8") / WINDOW
        means["numpy i4"] = lambda: w.sum(1, dtype="i4") / WINDOW
        rms["vecdot f8"] = exact
    if bn and not whole:
        means["bottleneck"] = lambda: bn.nanmean(w, 1)
        rms["bottleneck"] = lambda: np.sqrt(bn.ss(w, 1) / WINDOW)
    if cmsis and not whole:
        loose_means["cmsisdsp"] = each(cmsis.arm_mean_f32, w)
        loose["cmsisdsp"] = each(cmsis.arm_rms_f32, w)
    ends = {"numpy": peak}
    spread = {"numpy": lambda: w.max(1).astype("i4" if whole else "f4") - w.min(1)}
    if bn:
        spread["bottleneck"] = lambda: bn.nanmax(w, 1).astype("f8") - bn.nanmin(w, 1)
    if cmsis and not whole:
        ends["cmsisdsp"] = each(lambda one: cmsis.arm_absmax_no_idx_f32(one), w)
    return [
        row("mean", "mean", means, 1e-5, atol=1e-3, reads=True, loose=loose_means),
        row("rms", "rms", rms, reads=True, loose=loose),
        row("peak", "peak", ends, reads=True),
        row("p2p", "p2p", spread, reads=True),
        row("crest", "crest", crests(peak, rms), loose=crests(peak, loose)),
        row(
            "zero_crossings",
            "zero_crossings",
            {"numpy": lambda: crossings(w), "numpy add": lambda: crossings_added(w)},
        ),
    ]


def crests(peak: Work, rms: dict[str, Work]) -> dict[str, Work]:
    return {name: partial(over, peak, work) for name, work in rms.items()}


def over(above: Work, below: Work) -> Any:
    return above() / below()


def crossings(w: Array) -> Array:
    negative = w < 0
    return np.count_nonzero(negative[:, 1:] != negative[:, :-1], axis=1)


def crossings_added(w: Array) -> Array:
    """Bytes added into 16 bits, more at a time than numpy counts."""
    negative = w < 0
    changes = negative[:, 1:] != negative[:, :-1]
    return np.add.reduce(changes.view("u1"), axis=1, dtype="u2")


def deviations(w: Array, room: Array) -> Array:
    return np.subtract(w, w.mean(1, dtype="f4", keepdims=True), out=room)


def central(power: int, w: Array, rooms: list[Array], dot: Dot) -> Array:
    """Standardised central moment of this power, in float32, without a fresh array."""
    d = deviations(w, rooms[0])
    squares = np.multiply(d, d, out=rooms[1])
    variance = squares.mean(1)
    top = dot(squares, squares if power == 4 else d) / WINDOW
    return top / variance ** (power / 2)


def paired(room: Array) -> Dot:
    """Products of rows, summed by add.reduce: in pairs, in one order on every machine."""
    return lambda a, b: np.multiply(a, b, out=room[: len(a), : a.shape[1]]).sum(1)


def ordered(d: Data) -> list[Row]:
    w, rooms = d.w, d.rooms
    pairs = paired(rooms[2])
    t = np.arange(WINDOW, dtype="f4") - (WINDOW - 1) / 2
    weights = t / np.float32((t.astype("f8") ** 2).sum()) * np.float32(RATE_HZ)

    def autocorr(dot: Dot) -> Array:
        y = deviations(w, rooms[0])
        return dot(y[:, :-LAG], y[:, LAG:]) / dot(y, y)

    def slope() -> Array:
        return np.multiply(deviations(w, rooms[0]), weights, out=rooms[0]).sum(1)

    kurtosis = {"numpy": lambda: central(4, w, rooms, pairs)}
    skewness = {"numpy": lambda: central(3, w, rooms, pairs)}
    loose = [{"vecdot": partial(central, power, w, rooms, np.vecdot)} for power in (4, 3)]
    if stats:
        kurtosis["scipy.stats"] = lambda: stats.kurtosis(d.wf, axis=1, fisher=False)
        skewness["scipy.stats"] = lambda: stats.skew(d.wf, axis=1)
    return [
        row("kurtosis", "kurtosis", kurtosis, 1e-4, loose=loose[0]),
        row("skewness", "skewness", skewness, 1e-3, atol=1e-4, loose=loose[1]),
        row(
            "slope",
            "slope",
            {"numpy": slope},
            1e-3,
            atol=1,
            loose={"@": lambda: deviations(w, rooms[0]) @ weights},
        ),
        row(
            "autocorr",
            f"autocorr {LAG}",
            {"numpy": partial(autocorr, pairs)},
            1e-3,
            atol=1e-4,
            loose={"vecdot": partial(autocorr, np.vecdot)},
        ),
    ]


def largest(y: Array) -> Array:
    return np.maximum(y.max(1), -y.min(1))


def framed(d: Data) -> list[Row]:
    w, wf, (room, *_) = d.w, d.wf, d.rooms
    t = np.arange(WINDOW, dtype="f4") - (WINDOW - 1) / 2
    unit = t / np.float32((t.astype("f8") ** 2).sum())
    hann = (2 * np.sin(np.pi * np.arange(WINDOW) / WINDOW) ** 2).astype("f4")

    def line(slopes: Callable[[Array], Array]) -> Array:
        y = deviations(w, room)
        y -= slopes(y)[:, None] * t
        return largest(y)

    lines: dict[str, Work] = {
        "numpy": lambda: line(lambda y: np.multiply(y, unit, out=d.rooms[1]).sum(1))
    }
    loose: dict[str, Work] = {"@": lambda: line(lambda y: y @ unit)}
    means: dict[str, Work] = {"numpy": lambda: largest(deviations(w, room))}
    if signal:
        loose = {"scipy.signal": lambda: largest(signal.detrend(wf, 1)), **loose}
        means["scipy.signal"] = lambda: largest(signal.detrend(wf, 1, "constant"))
    return [
        row("detrend", "detrend | peak", means, 1e-4),
        row("detrend line", "detrend line | peak", lines, 1e-4, loose=loose),
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

    def goertzel(dot: Callable[[Array, Array], Array]) -> Array:
        y = dot(given(), turns)
        return (y[:, 0] ** 2 + y[:, 1] ** 2) * (2 / WINDOW**2)

    pairs = paired(rooms[2])
    waves = np.ascontiguousarray(turns.T)

    def twice(y: Array, _: Array) -> Array:
        return np.stack([pairs(y, wave) for wave in waves], 1)

    low, high = f"{BAND[0]:g}", f"{BAND[1]:g}"
    return [
        row(
            "spectrum",
            f"spectrum | band {low} {high}",
            spectra(lambda p: p[:, inside].sum(1)),
            1e-4,
        ),
        row(
            "centroid",
            "spectrum | centroid",
            spectra(lambda p: pairs(p, hz) / p.sum(1)),
            1e-4,
            loose=spectra(lambda p: (p @ hz) / p.sum(1)),
        ),
        row(
            "goertzel",
            f"goertzel {TONE_HZ:g}",
            {"numpy": partial(goertzel, twice)},
            1e-3,
            atol=10,
            loose={"@": partial(goertzel, np.matmul)},
        ),
    ]


def rows(d: Data) -> list[Row]:
    """All rows of windows."""
    return plain(d) + ordered(d) + framed(d) + spectral(d)
