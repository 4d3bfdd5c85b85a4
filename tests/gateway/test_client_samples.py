import ctypes
import sys
from array import array

import numpy as np
import pytest

from atoll.gateway.client_errors import BadSamples
from atoll.gateway.client_samples import array_of, joined, samples_of
from atoll.wire import limits
from atoll.wire.block import Block
from atoll.wire.messages import StreamInfo


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (array("h", [1, -1]), "i16"),
        (array("i", [1, -1]), "i32"),
        (array("f", [1, -1]), "f32"),
        (np.array([1, -1], "i2"), "i16"),
        (np.array([1, -1], "<i4"), "i32"),
        (np.array([1, -1], "f4"), "f32"),
        ((ctypes.c_int16 * 2)(1, -1), "i16"),
    ],
)
def test_arrays_of_the_three_types(values, dtype):
    samples = samples_of(values)
    assert samples.dtype == dtype
    assert samples.sample_count == 2
    assert bytes(samples.data) == bytes(memoryview(values).tobytes())


def test_a_column_is_copied():
    both = np.array([[1, 2], [3, 4]], "i2")
    assert bytes(samples_of(both[:, 0]).data) == array("h", [1, 3]).tobytes()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1, 2], "a list is not an array; use array.array"),
        (5, "a int is not an array"),
        (None, "not an array"),
        (b"ab", "no sample type"),
        ("ab", "no sample type"),
        (np.zeros(2), r'float64 .*astype\("float32"\)'),
        (np.zeros(2, "i8"), r'int64 .*astype\("int32"\)'),
        (np.zeros(2, "u1"), r'astype\("int16"\)'),
        (np.zeros(2, ">i2"), "big-endian"),
        (np.zeros((2, 17), "i2"), r"17 channels; .*key of its own"),
        (np.zeros((2, 2, 2), "i2"), "3 dimensions"),
        (np.int16(3), "0 dimensions"),
        (np.zeros(0, "i2"), "empty"),
        (array("h"), "empty"),
        (np.array(["a"]), "not a sample type|not an array"),
        (np.array([None]), "not a sample type|not an array"),
    ],
)
def test_what_is_no_stream_says_what_would_be(values, says):
    with pytest.raises(BadSamples, match=says):
        samples_of(values)


def test_the_stream_is_named():
    with pytest.raises(BadSamples, match=r"^stream 'a': "):
        samples_of([], "stream 'a'")


def test_pieces_are_blocks_and_make_the_whole():
    values = np.arange(100_000, dtype="i4")
    pieces = list(samples_of(values).pieces())
    assert all(len(piece) == limits.BLOCK_BYTES_MAX for piece in pieces[:-1])
    assert b"".join(pieces) == values.tobytes()


@pytest.mark.parametrize("dtype", ["i16", "i32", "f32"])
def test_back_with_and_without_numpy(monkeypatch, dtype):
    data = array({"i16": "h", "i32": "i", "f32": "f"}[dtype], [1, 2, 3])
    with_numpy = array_of(dtype, data.tobytes())
    assert isinstance(with_numpy, np.ndarray)
    monkeypatch.setitem(sys.modules, "numpy", None)
    without = array_of(dtype, data.tobytes())
    assert without == data == array(data.typecode, with_numpy.tolist())


def block(seq, first, values, gap=False):
    info = StreamInfo("data", "key", "i16", 1, 10.0, 1.0, "g")
    data = array("h", values).tobytes()
    return Block(info, 0, seq, first, len(values), 1, 0, 1000 + first * 100, 0, gap, data)


def test_a_stretch_is_cut_at_both_ends():
    blocks = [block(0, 0, [0, 1, 2]), block(1, 3, [3, 4, 5]), block(2, 6, [6, 7])]
    found = joined(blocks, 1, 7)
    assert array("h", bytes(found.data)).tolist() == [1, 2, 3, 4, 5, 6]
    assert (found.first_sample, found.wall_ms, found.gaps) == (1, 1100, [])


def test_gaps_are_told():
    blocks = [block(0, 0, [0]), block(1, 1, [1], gap=True), block(5, 9, [9])]
    assert joined(blocks, 0, 10).gaps == [1, 9]
