from array import array

import numpy as np
import pytest

from atoll.cli.files import FileError, load
from atoll.cli.writers import WRITERS, samples_of
from atoll.gateway.client_samples import Stretch
from atoll.wire.messages import StreamInfo

TYPES = {"i16": "h", "i32": "i", "f32": "f"}


def info(dtype="i16", rate=100.0):
    return StreamInfo("data", "key", dtype, 1, rate, 1.0, "g")


def test_a_stretch_becomes_an_array():
    found = Stretch(info(), 0, 0, [], bytearray(array("h", [1, 2, 3]).tobytes()))
    assert samples_of(found) == array("h", [1, 2, 3])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_reads_back(tmp_path, dtype, suffix):
    samples = array(TYPES[dtype], [0, 1, -1, 12345])
    path = str(tmp_path / f"key{suffix}")
    if suffix == ".wav" and dtype == "f32":
        with pytest.raises(FileError, match=r"use \.npy"):
            WRITERS[suffix](path, info(dtype), samples)
        return
    WRITERS[suffix](path, info(dtype), samples)
    [recording] = load(path)
    assert recording.samples.tolist() == samples.tolist()


def test_npy_is_numpys(tmp_path):
    for count in (1, 10, 100_000):
        samples = array("f", range(count))
        WRITERS[".npy"](str(tmp_path / "a.npy"), info("f32"), samples)
        found = np.load(tmp_path / "a.npy")
        assert found.dtype == np.dtype("<f4")
        assert np.array_equal(found, samples)


def test_f32_keeps_its_bits_in_csv(tmp_path):
    samples = array("f", [0.1, 1 / 3, 1e-38, 3.4e38])
    WRITERS[".csv"](str(tmp_path / "a.csv"), info("f32"), samples)
    assert load(str(tmp_path / "a.csv"))[0].samples == samples


def test_channels_are_written_side_by_side(tmp_path):
    two = info()._replace(channels=2)
    samples = array("h", [1, 2, 3, 4, 5, 6])
    for suffix in WRITERS:
        WRITERS[suffix](str(tmp_path / f"key{suffix}"), two, samples)
    assert np.load(tmp_path / "key.npy").tolist() == [[1, 2], [3, 4], [5, 6]]
    assert (tmp_path / "key.csv").read_text() == "key.0,key.1\n1,2\n3,4\n5,6\n"
    left, right = load(str(tmp_path / "key.wav"))
    assert (left.samples.tolist(), right.samples.tolist()) == ([1, 3, 5], [2, 4, 6])
