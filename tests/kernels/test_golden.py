"""Golden vectors are what they were, on every machine."""

from array import array

from atoll.kernels import golden
from atoll.kernels.receipt import fnv1a

HASHES = {}


def test_vectors_fit_a_small_board():
    for dtype in ("i16", "i32", "f32"):
        for case in golden.CASES:
            assert len(golden.vector(dtype, case)) <= 2048


def test_generator_is_xorshift32():
    source = golden.words(1)
    assert [next(source) for _ in range(3)] == [270369, 67634689, 2647435461]


def test_extremes_hold_the_corners():
    values = golden.values("f32", "extreme")
    assert any(v != v for v in values)
    assert {float("inf"), float("-inf"), 3.4028234663852886e38} <= set(values)
    assert set(golden.values("i32", "extreme")) == {-(2**31), 2**31 - 1, 0, -1, 1}


def test_wide_covers_many_magnitudes():
    exponents = {(bits >> 23) & 255 for bits in array("I", golden.vector("f32", "wide"))}
    assert len(exponents) > 100


def test_fnv1a():
    assert fnv1a(b"foobar") == 0x85944171F73967E8
