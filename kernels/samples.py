"""What may be handed to a plan as samples: numpy arrays, array.array, memoryviews, bytes.

Through the buffer protocol, so numpy is never needed. One dimension, contiguous, of the machine's
byte order, one of the three dtypes; everything else is refused with what would be right.
"""

from atoll.kernels.errors import KernelError

SIZES = {"i16": 2, "i32": 4, "f32": 4}

# struct codes with their item sizes; `l` is 4 or 8 bytes by platform.
_FORMATS = {("h", 2): "i16", ("i", 4): "i32", ("l", 4): "i32", ("f", 4): "f32"}
_ADVICE = {
    ("d", 8): 'float64: convert with .astype("float32")',
    ("l", 8): 'int64: convert with .astype("int32")',
    ("q", 8): 'int64: convert with .astype("int32")',
    ("e", 2): 'float16: convert with .astype("float32")',
    ("H", 2): 'uint16: convert with .astype("int32")',
    ("B", 1): 'uint8: pass dtype= for raw bytes, or convert with .astype("int16")',
    ("b", 1): 'int8: convert with .astype("int16")',
    ("?", 1): 'bool: convert with .astype("int16")',
}


def view(samples: object, dtype: str | None, channels: int) -> tuple[memoryview, str, int]:
    """A contiguous view, its dtype, its number of samples (of several channels: frames).

    Several channels are an array of shape (frames, channels), or flat in that order.
    """
    try:
        seen = memoryview(samples)  # type: ignore[arg-type]
    except TypeError:
        raise KernelError(
            f"samples are a {type(samples).__name__}, not an array; pass a numpy array, "
            "array.array, memoryview, or bytes with dtype="
        ) from None
    except ValueError as error:
        raise KernelError(f"samples cannot be read: {error}") from None
    _check_shape(seen, channels)
    found = _dtype(seen, dtype)
    if not seen.c_contiguous:
        raise KernelError("samples are not contiguous; pass a copy (numpy.ascontiguousarray)")
    frame = SIZES[found] * channels
    if seen.nbytes % frame:
        what = f"samples of {channels} channels" if channels > 1 else "samples"
        raise KernelError(f"{seen.nbytes} bytes are no whole number of {found} {what}")
    return seen, found, seen.nbytes // frame


def _check_shape(seen: memoryview, channels: int) -> None:
    shape = seen.shape or ()
    if len(shape) == 1 or (len(shape) == 2 and shape[1] == channels):
        return
    if len(shape) != 2:
        raise KernelError(f"samples have {seen.ndim} dimensions; one or (samples, channels) fit")
    raise KernelError(
        f"samples have {shape[1]} channels, the plan takes {channels}: pass one channel, or begin "
        f"the plan with `channels {shape[1]}`"
    )


def _dtype(seen: memoryview, dtype: str | None) -> str:
    if dtype is not None and dtype not in SIZES:
        raise KernelError(f"dtype {dtype!r} is none of i16, i32, f32")
    code = seen.format.lstrip("@=<")
    if dtype is not None and code in ("B", "c"):
        return dtype
    found = _FORMATS.get((code, seen.itemsize))
    if found is None:
        what = _ADVICE.get((code, seen.itemsize), f"of format {seen.format!r}")
        raise KernelError(f"samples are {what}; i16, i32 and f32 are taken")
    if dtype is not None and dtype != found:
        raise KernelError(f"samples are {found}, not {dtype} as said")
    return found
