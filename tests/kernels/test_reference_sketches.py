"""The twins of `distinct` and `top` against sets and counters, for they are oracles themselves."""

import pytest

from atoll.kernels import reference_sketches as twin

NAN = float("nan")


def test_few_values_are_counted_exactly():
    assert twin.distinct([1.0, 2.0, 1.0, NAN, -0.0, 0.0], "f32", 8) == {
        "count": 5,
        "nan": 1,
        "estimate": 3,
        "error": 0.0,
    }


@pytest.mark.parametrize("n", [1_000, 10_000])
def test_many_values_are_within_four_errors(n):
    result = twin.distinct(range(n), "i32", 10)
    assert 0 < result["error"] < 0.04
    assert abs(result["estimate"] / n - 1) < 4 * result["error"]


def test_top_of_few_values_is_exact():
    x = [5] * 9 + [7] * 4 + [-1] * 2
    found = twin.top(x, "i16", 2, 16)
    assert found == {"count": 15, "nan": 0, "values": [[5, 9], [7, 4]], "error": 0}


def test_top_of_many_values_keeps_its_bound():
    x = [3] * 3_000 + list(range(1000, 3000))
    found = twin.top(x, "i32", 1, 64)
    ((value, times),) = found["values"]
    assert value == 3
    assert 3_000 <= times <= 3_000 + found["error"]


def test_words_tell_values_apart():
    assert twin.word(-1, "i16") == 0xFFFF
    assert twin.word(-0.0, "f32") == twin.word(0.0, "f32") == 0
