"""What is taken as samples, and what each refusal advises."""

from array import array

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan

PLAN = Plan("sum")


def test_every_carrier_gives_the_same():
    numbers = np.arange(-50, 50, dtype="int16")
    expected = PLAN.partial(numbers)
    assert PLAN.partial(array("h", numbers.tolist())) == expected
    assert PLAN.partial(memoryview(numbers)) == expected
    assert PLAN.partial(numbers.tobytes(), dtype="i16") == expected
    assert PLAN.partial(bytearray(numbers.tobytes()), dtype="i16") == expected
    assert PLAN.partial(numbers, dtype="i16") == expected


@pytest.mark.parametrize(
    ("samples", "dtype", "advice"),
    [
        (np.zeros(4), None, 'astype("float32")'),
        (np.zeros(4, "int64"), None, 'astype("int32")'),
        (np.zeros(4, "uint16"), None, 'astype("int32")'),
        (np.zeros(4, ">i2"), None, "i16, i32 and f32"),
        (np.zeros(4, "complex64"), None, "i16, i32 and f32"),
        (np.zeros((2, 2), "int16"), None, "one channel"),
        (np.zeros(8, "int16")[::2], None, "contiguous"),
        (np.zeros(4, "int16"), "f32", "are i16, not f32"),
        (b"1234", None, "pass dtype="),
        (b"123", "i16", "whole number"),
        (b"1234", "f64", "none of i16"),
        ([1, 2, 3], None, "list"),
        (None, None, "NoneType"),
    ],
)
def test_refusals_say_what_would_be_right(samples, dtype, advice):
    with pytest.raises(KernelError) as caught:
        PLAN.partial(samples, dtype=dtype)
    assert advice in str(caught.value)


def test_unaligned_bytes_are_refused_not_read():
    data = memoryview(bytearray(9))[1:]
    with pytest.raises(KernelError, match="aligned"):
        PLAN.partial(data, dtype="f32")


def test_readonly_and_empty():
    empty = array("h")
    assert PLAN.partial(empty) == PLAN.merge([])
    frozen = np.ones(3, "float32")
    frozen.flags.writeable = False
    assert PLAN.run(frozen) == {"sum": 3.0}
