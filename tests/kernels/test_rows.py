"""Rows: keyed, ordered, joined, bounded."""

from array import array

import pytest

from atoll.kernels import KernelError, Plan, rows

ID = bytes(range(32))


def run(key, start, *values):
    return (key, start, len(values), array("f", values).tobytes())


def test_touching_runs_become_one():
    whole = rows.encode(ID, [run(b"k", 0, 1, 2, 3)], 10)
    assert rows.encode(ID, [run(b"k", 20, 3), run(b"k", 0, 1, 2)], 10) == whole
    assert rows.decode(ID, whole, 1) == [run(b"k", 0, 1, 2, 3)]


def test_gaps_and_keys_stay_apart():
    data = rows.encode(ID, [run(b"b", 0, 9), run(b"a", 30, 2), run(b"a", 0, 1)], 10)
    assert [r[:3] for r in rows.decode(ID, data, 1)] == [(b"a", 0, 1), (b"a", 30, 1), (b"b", 0, 1)]


def test_a_window_twice_is_refused():
    with pytest.raises(KernelError, match="twice"):
        rows.encode(ID, [run(b"k", 0, 1, 2), run(b"k", 10, 2)], 10)


def test_the_limit_names_the_way_out():
    with pytest.raises(KernelError, match="end it in a reducer"):
        Plan("window 1 | mean").run(array("f", [0.0]) * (rows.ROWS_MAX // 4))


def test_long_keys_are_refused():
    with pytest.raises(KernelError, match="1024"):
        Plan("window 1 | mean").partial(array("f", [0.0]), key="k" * 1025)


@pytest.mark.parametrize("cut", range(12, 22))
def test_cut_partials_are_refused(cut):
    data = rows.encode(ID, [run(b"key", 200, 1, 2)], 10)
    if cut == 12:
        assert rows.decode(ID, data[:cut], 1) == []
        return
    with pytest.raises(KernelError, match="damaged"):
        rows.decode(ID, data[:cut], 1)


def test_several_columns():
    held = (*run(b"k", 0, *range(6))[:2], 2, array("f", range(6)).tobytes())
    assert rows.table([held], [(1, False, 1), (2, True, 1)]) == [
        [0.0, 3.0],
        [[1.0, 2.0], [4.0, 5.0]],
    ]
