"""Rows of the stages from sample to sample: each ends in `minmax`, which all can compute.

Ours streams; a peer writes its samples into an array that is there already and reads it again.
Where int16 would overflow (-32768 has no magnitude there, differences need 17 bits) peers widen.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from kernel_rows import RATE_HZ, Array, Data, Row, Work, optional

fft, signal, ndimage = optional("scipy.fft"), optional("scipy.signal"), optional("scipy.ndimage")
bn, cmsis = optional("bottleneck"), optional("cmsisdsp")

ALPHA, TAPS, BY = 0.1, 64, 4


def extremes(y: Array) -> tuple[float, float, int, int]:
    """Smallest and largest with their places: two passes."""
    low, high = y.argmin(), y.argmax()
    return y[low], y[high], low, high


def ended_by(work: Work) -> tuple[float, float, int, int]:
    return extremes(work())


def same(tolerance: float = 0.0) -> Callable[[Any, Any], bool]:
    """Whether both extremes agree, relative to the larger."""

    def agree(ours: Any, theirs: Any) -> bool:
        low, high = ours["minmax"]["min"], ours["minmax"]["max"]
        room = tolerance * max(abs(low), abs(high))
        return bool(abs(low - theirs[0]) <= room and abs(high - theirs[1]) <= room)

    return agree


def row(
    kernel: str,
    plan: str,
    peers: dict[str, Work],
    tolerance: float = 0.0,
    loose: dict[str, Work] | None = None,
) -> Row:
    """A row whose peers give an array of samples."""

    def ended(works: dict[str, Work]) -> dict[str, Work]:
        return {name: partial(ended_by, work) for name, work in works.items()}

    found = ended(peers), same(tolerance), RATE_HZ
    return Row(kernel, f"{plan} | minmax", *found, loose=ended(loose or {}))


def elementwise(d: Data) -> list[Row]:
    x, f, wide, out = d.x, d.f, d.wide, d.out
    kind, later = wide.dtype, wide[1:]
    magnitude = {"numpy": lambda: np.abs(x, out=wide, dtype=kind)}
    clip = {"numpy": lambda: np.clip(x, -3000, 3000, out=wide, dtype=kind)}
    envelope = {"numpy": lambda: np.abs(f, out=out)}
    scale = {"numpy": lambda: np.add(np.multiply(x, np.float32(2), out=out), 3, out=out)}
    if cmsis and x.dtype == "f4":
        magnitude["cmsisdsp"] = envelope["cmsisdsp"] = lambda: cmsis.arm_abs_f32(x)
        clip["cmsisdsp"] = lambda: cmsis.arm_clip_f32(x, -3000, 3000)
        scale["cmsisdsp"] = lambda: cmsis.arm_offset_f32(cmsis.arm_scale_f32(x, 2.0), 3.0)
    if x.dtype != "f4":
        narrow = np.empty_like(x)
        # -32768 has its magnitude without a sign; what is clipped to bounds of int16 stays there.
        magnitude["numpy u2"] = lambda: np.abs(x, out=narrow).view("u2")
        clip["numpy i2"] = lambda: np.clip(x, -3000, 3000, out=narrow)
        envelope = {"numpy": lambda: np.abs(x, out=out, dtype="f4")}
    return [
        row("abs", "abs", magnitude),
        row("clip", "clip -3000 3000", clip),
        row("scale", "scale 2 3", scale),
        row("envelope", "envelope", envelope),
        row(
            "diff",
            "diff",
            {"numpy": lambda: np.subtract(x[1:], x[:-1], out=later, dtype=kind)},
        ),
        row(
            "decimate",
            f"decimate {BY}",
            {"numpy": lambda: x[::BY], "numpy copy": lambda: x[::BY].copy()},
        ),
    ]


def running(d: Data) -> list[Row]:
    if not signal:
        return []
    x, f = d.x, d.f
    sos = signal.butter(2, [2000, 5000], "bandpass", fs=RATE_HZ, output="sos").astype("f4")
    b, a = np.array([ALPHA], "f4"), np.array([1, ALPHA - 1], "f4")
    start = np.array([x[0] * (1 - ALPHA)], "f4")
    given: Callable[[], Array] = (lambda: f) if x.dtype == "f4" else (lambda: x.astype("f4"))
    biquad = {"scipy.signal": lambda: signal.sosfilt(sos, given())}
    loose: dict[str, Work] = {}
    if cmsis:
        # Feedback has the other sign there.
        words = np.column_stack([sos[:, :3], -sos[:, 4:]]).ravel()
        loose["cmsisdsp"] = lambda: cmsis_biquad(len(sos), words, given())
    ema = {"scipy.signal": lambda: signal.lfilter(b, a, given(), zi=start)[0]}
    return [
        row("biquad", "biquad bandpass 2000 5000", biquad, 1e-4, loose),
        row("ema", f"ema {ALPHA}", ema, 1e-5),
    ]


def cmsis_biquad(stages: int, words: Array, f: Array) -> Array:
    state = cmsis.arm_biquad_cascade_df2T_instance_f32()
    cmsis.arm_biquad_cascade_df2T_init_f32(state, stages, words, np.zeros(2 * stages, "f4"))
    return cmsis.arm_biquad_cascade_df2T_f32(state, f)


def cmsis_fir(taps: Array, f: Array) -> Array:
    state = cmsis.arm_fir_instance_f32()
    cmsis.arm_fir_init_f32(state, len(taps), taps, np.zeros(len(taps) + len(f) - 1, "f4"))
    return cmsis.arm_fir_f32(state, f)[len(taps) - 1 :]


def finite(d: Data) -> list[Row]:
    if not signal:
        return []
    x, f, narrow = d.x, d.f, np.empty_like(d.x)
    taps = signal.firwin(TAPS, 1000, fs=RATE_HZ).astype("f4")
    given: Callable[[], Array] = (lambda: f) if x.dtype == "f4" else (lambda: x.astype("f4"))
    loose = {"convolve": lambda: np.convolve(given(), taps, "valid")}
    fir = {
        "scipy.signal": lambda: signal.oaconvolve(given(), taps, "valid"),
        "scipy lfilter": lambda: signal.lfilter(taps, np.ones(1, "f4"), given())[TAPS - 1 :],
        "scipy.ndimage": lambda: ndimage.convolve1d(given(), taps[::-1], mode="constant")[
            TAPS // 2 : -TAPS // 2 + 1
        ],
    }
    median: dict[str, Work] = {
        "numpy, network": network_of_five(x),
        "scipy.ndimage": lambda: ndimage.median_filter(x, 5, output=narrow)[2:-2],
        "scipy.signal": lambda: signal.medfilt(x, 5)[2:-2],
    }
    if bn:
        median["bottleneck"] = lambda: bn.move_median(x, 5)[4:]
    if cmsis:
        loose["cmsisdsp"] = lambda: cmsis_fir(taps[::-1].copy(), given())
    return [
        row("fir", f"fir lowpass 1000 taps={TAPS}", fir, 1e-4, loose),
        row("median", "median 5", median),
    ]


def network_of_five(x: Array) -> Work:
    """Medians of five by minima and maxima of whole arrays; those of neighbours serve twice."""
    low, high = np.empty_like(x[1:]), np.empty_like(x[1:])
    above, below = np.empty_like(x[4:]), np.empty_like(x[4:])

    def medians() -> Array:
        np.minimum(x[:-1], x[1:], out=low)
        np.maximum(x[:-1], x[1:], out=high)
        np.maximum(low[:-3], low[3:], out=above)
        np.minimum(high[:-3], high[3:], out=below)
        # The median of these two and of the sample between the pairs.
        least = np.minimum(above, below, out=low[:-3])
        most = np.maximum(above, below, out=high[:-3])
        np.minimum(most, x[2:-2], out=most)
        return np.maximum(least, most, out=most)

    return medians


def rows(d: Data) -> list[Row]:
    """All rows of the sample stages."""
    return elementwise(d) + finite(d) + running(d)
