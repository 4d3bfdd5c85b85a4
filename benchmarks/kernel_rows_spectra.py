"""Rows of what is read off a spectrum: 976 windows of 1,024 samples.

Peers transform in float32 (numpy.fft, scipy.fft: both run), with tapers, bands and filter banks
made before the clock starts. An error stated as one of amplitudes is compared as one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import RATE_HZ, WINDOW, Array, Data, Row, Work, close, named, optional
from kernel_rows_windows import Dot, paired, power_read

from atoll.kernels.design_bins import mel_edges

fft, signal, special = optional("scipy.fft"), optional("scipy.signal"), optional("scipy.special")
sparse = optional("scipy.sparse")

HZ = RATE_HZ / WINDOW
BINS = WINDOW // 2 + 1
SEGMENT, HOP = 256, 128
BAND_HZ = (100, 5000)
LINES_HZ, TOL_HZ, AROUND_HZ = (1000, 2500), 30, 500
PEAKS, MEL_BANDS = 3, 24


def row(
    kernel: str,
    plan: str,
    peers: dict[str, Work],
    same: Callable[[Any, Any], bool],
    loose: dict[str, Work] | None = None,
) -> Row:
    """A row of the feature that stands last in the plan."""
    feature, text = plan.rpartition("| ")[2].split()[0], f"window {WINDOW} | {plan}"
    return Row(kernel, text, peers, named(feature, same), RATE_HZ, loose=loose or {})


def transforms() -> dict[str, Callable[[Array], Array]]:
    """Real transforms that keep float32."""
    return {"numpy.fft": np.fft.rfft, **({"scipy.fft": fft.rfft} if fft else {})}


def amplitudes(ours: Any, theirs: Any) -> bool:
    """psd's stated error, and as much again for the peer's own: of the rms density's amplitude."""
    a, b = np.sqrt(np.asarray(ours, "f8")), np.sqrt(np.asarray(theirs, "f8"))
    loud = np.sqrt((b**2).mean(-1, keepdims=True))
    return bool((np.abs(a - b) <= 2 * 2**-22 * np.log2(SEGMENT) * loud).all())


def densities(d: Data) -> list[Row]:
    """Welch's method: scipy's own, and the same by hand without its copies."""
    hann = (np.sin(np.pi * np.arange(SEGMENT) / SEGMENT) ** 2).astype("f4")
    unit = np.float32(2 / (RATE_HZ * (hann.astype("f8") ** 2).sum()))
    given: Work = (lambda: d.wf) if d.x.dtype == "f4" else (lambda: d.w.astype("f4"))
    count = (WINDOW - SEGMENT) // HOP + 1
    room = np.empty((len(d.w), count, SEGMENT), "f4")

    def by_hand(transform: Callable[[Array], Array]) -> Array:
        pieces = np.lib.stride_tricks.sliding_window_view(given(), SEGMENT, axis=1)[:, ::HOP]
        np.subtract(pieces, pieces.mean(2, keepdims=True), out=room)
        np.multiply(room, hann, out=room)
        z = transform(room)
        power = np.add(np.square(z.real), np.square(z.imag)).mean(1)
        power *= unit
        power[:, [0, -1]] /= 2
        return power

    peers: dict[str, Work] = {
        name: partial(by_hand, transform) for name, transform in transforms().items()
    }
    if signal:
        peers["scipy.signal"] = lambda: signal.welch(given(), RATE_HZ, "hann", SEGMENT, HOP)[1]
    return [row("psd", f"psd {SEGMENT} hop={HOP}", peers, amplitudes)]


def readings(d: Data) -> list[Row]:
    """band, lines, peaks, entropy and mel of one spectrum."""
    given: Work = (lambda: d.wf) if d.x.dtype == "f4" else (lambda: d.w.astype("f4"))

    def of(read: Callable[[Array], Array]) -> dict[str, Work]:
        return {
            name: partial(power_read, transform, given, d.rooms, read)
            for name, transform in transforms().items()
        }

    inside = slice(*reach(*BAND_HZ))
    bank = filters()
    pairs = paired(d.rooms[2])
    entropies = of(partial(entropy, dot=pairs))
    if special:
        for name, work in of(shannon).items():
            entropies[f"{name}, scipy.special"] = work
    loose, mels = of(lambda p: p @ bank), {}
    if sparse:
        thin = sparse.csr_array(bank.T)
        for name, work in of(lambda p: (thin @ p.T).T).items():
            mels[f"{name}, scipy.sparse"] = work
    one_by_one = {f"{name}, argmax": work for name, work in of(largest).items()}
    low, high = BAND_HZ
    band, lines = f"{low} {high}", f"{' '.join(map(str, LINES_HZ))} tol={TOL_HZ} around={AROUND_HZ}"
    return [
        row("band", f"spectrum | band {band}", of(lambda p: p[:, inside].sum(1)), close(1e-5)),
        row("lines", f"spectrum | lines {lines}", of(prominences), close(1e-4)),
        row("peaks", f"spectrum | peaks {PEAKS}", of(maxima) | one_by_one, close(1e-4)),
        row("entropy", "spectrum | entropy", entropies, close(1e-5), of(entropy)),
        row("mel", f"spectrum | mel {MEL_BANDS}", mels, close(1e-4), loose),
    ]


def reach(low: float, high: float) -> tuple[int, int]:
    """First bin within two frequencies, and the one behind the last."""
    return int(np.ceil(low / HZ)), int(high / HZ) + 1


def prominences(p: Array) -> Array:
    """Largest power near a frequency over the median around it, for each frequency."""
    found = []
    for hz in LINES_HZ:
        near = p[:, slice(*reach(hz - TOL_HZ, hz + TOL_HZ))].max(1)
        around = p[:, slice(*reach(hz - AROUND_HZ, hz + AROUND_HZ))]
        middle = around.shape[1] // 2
        if around.shape[1] % 2:
            median = np.partition(around, middle, axis=1)[:, middle]
        else:
            median = np.median(around, axis=1)
        found.append(near / median)
    return np.stack(found, 1)


def maxima(p: Array) -> Array:
    """The largest local maxima as frequency and power in turn; noise has no plateaus."""
    inner = p[:, 1:-1]
    tops = np.where((inner > p[:, :-2]) & (inner > p[:, 2:]), inner, np.float32(0))
    some = np.argpartition(tops, -PEAKS, axis=1)[:, -PEAKS:]
    power = np.take_along_axis(tops, some, 1)
    order = np.argsort(-power, axis=1)
    found = np.empty((len(p), PEAKS, 2), "f4")
    found[:, :, 0] = (np.take_along_axis(some, order, 1) + 1) * np.float32(HZ)
    found[:, :, 1] = np.take_along_axis(power, order, 1)
    return found.reshape(len(p), -1)


def largest(p: Array) -> Array:
    """The same, one after the other: few are looked for."""
    inner, at = p[:, 1:-1], np.arange(len(p))
    tops = np.where((inner > p[:, :-2]) & (inner > p[:, 2:]), inner, np.float32(0))
    found = np.empty((len(p), PEAKS, 2), "f4")
    for k in range(PEAKS):
        some = tops.argmax(1)
        found[:, k, 0] = (some + 1) * np.float32(HZ)
        found[:, k, 1] = tops[at, some]
        tops[at, some] = 0
    return found.reshape(len(p), -1)


def entropy(p: Array, dot: Dot = np.vecdot) -> Array:
    """log2 of the sum less the mean logarithm, weighted by power: no division a bin."""
    total = p.sum(1)
    logs = np.log2(p, where=p > 0, out=np.zeros_like(p))
    return (np.log2(total) - dot(p, logs) / total) / np.float32(np.log2(BINS))


def shannon(p: Array) -> Array:
    """By scipy's -x log x of the shares."""
    share = p / p.sum(1, keepdims=True)
    return special.entr(share).sum(1) / np.float32(np.log(BINS))


def filters() -> Array:
    """Triangles between frequencies that are even in mel, a column each, as float32."""
    edges = np.array(mel_edges(MEL_BANDS, 0.0, RATE_HZ / 2)) / HZ
    k = np.arange(BINS)
    rise = (k - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - k) / np.diff(edges)[1:, None]
    return np.ascontiguousarray(np.maximum(0, np.minimum(rise, fall)).T, "f4")


def rows(d: Data) -> list[Row]:
    """All rows of spectra."""
    return densities(d) + readings(d)
