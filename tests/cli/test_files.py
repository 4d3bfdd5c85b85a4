import json
import wave
from array import array

import numpy as np
import pytest

from atoll.cli.files import FileError, Reading, load


@pytest.mark.parametrize(("dtype", "code"), [("int16", "h"), ("int32", "i"), ("float32", "f")])
def test_npy_as_numpy_wrote_it(tmp_path, dtype, code):
    samples = np.array([1, -2, 3], dtype)
    np.save(tmp_path / "motor.npy", samples)
    [recording] = load(str(tmp_path / "motor.npy"))
    assert recording.key == "motor"
    assert recording.samples == array(code, samples.tolist())


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_versions(tmp_path, version):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(5, dtype="i2"), version=version)
    assert load(str(tmp_path / "a.npy"))[0].samples.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("dtype", ["f8", "i8", "u2", "i1", "?", ">i2", "f2"])
def test_npy_of_another_type_says_how_to_convert(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.zeros(3, dtype))
    with pytest.raises(FileError, match=r"a\.npy: samples of type .*convert with a\.astype\("):
        load(str(tmp_path / "a.npy"))


def test_every_cut_of_a_npy_is_refused(tmp_path):
    np.save(tmp_path / "whole.npy", np.arange(40, dtype="i2"))
    whole = (tmp_path / "whole.npy").read_bytes()
    for size in range(len(whole)):
        (tmp_path / "torn.npy").write_bytes(whole[:size])
        with pytest.raises(FileError, match="torn"):
            load(str(tmp_path / "torn.npy"))


@pytest.mark.parametrize(
    "header", [b"[1, 2]", b"{'descr': '<i2'}", b"__import__('os')", b"{" * 500, b"\xff\xfe"]
)
def test_npy_header_is_not_believed(tmp_path, header):
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(10)
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(FileError):
        load(str(tmp_path / "a.npy"))


def test_npy_of_two_dimensions(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2), "i2"))
    with pytest.raises(FileError, match=r"one dimension.*a\[:, 0\]"):
        load(str(tmp_path / "a.npy"))


def test_empty_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(0, "i2"))
    with pytest.raises(FileError, match="empty"):
        load(str(tmp_path / "a.npy"))


def csv_of(tmp_path, text, **reading):
    (tmp_path / "a.csv").write_text(text)
    return load(str(tmp_path / "a.csv"), Reading(**reading))[0].samples


def test_csv_whole_numbers_become_i32_others_f32(tmp_path):
    assert csv_of(tmp_path, "1\n-2\n3\n") == array("i", [1, -2, 3])
    assert csv_of(tmp_path, "1\n2.5\n") == array("f", [1, 2.5])
    assert csv_of(tmp_path, "1\n2\n", dtype="i16") == array("h", [1, 2])


def test_csv_column_by_name_and_number(tmp_path):
    text = "time;x;y\n0;1;10\n1;2;20\n"
    assert csv_of(tmp_path, text, column="y").tolist() == [10, 20]
    assert csv_of(tmp_path, text, column="2").tolist() == [1, 2]
    with pytest.raises(FileError, match="choose one with --column: time, x, y"):
        csv_of(tmp_path, text)
    with pytest.raises(FileError, match="no column 'z'; there are: time, x, y"):
        csv_of(tmp_path, text, column="z")


@pytest.mark.parametrize(
    ("text", "reading", "says"),
    [
        ("x\n1\nfoo\n", {}, "line 3: 'foo' is no number"),
        ("1\n40000\n", {"dtype": "i16"}, "line 2: '40000' is no whole number from -32768"),
        ("3000000000\n", {}, "line 1: '3000000000' is no whole number"),
        ("a,b\n1,2\n3\n", {"column": "b"}, "line 3 has 1 columns"),
        ("", {}, "empty"),
        ("x\n", {}, "empty"),
    ],
)
def test_csv_refused_with_its_line(tmp_path, text, reading, says):
    with pytest.raises(FileError, match=says):
        csv_of(tmp_path, text, **reading)


def wav_of(path, width, channels, frames, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(frames)


def test_wav_stereo_is_two_streams(tmp_path):
    wav_of(tmp_path / "hall.wav", 2, 2, array("h", [1, -1, 2, -2]).tobytes())
    left, right = load(str(tmp_path / "hall.wav"))
    assert (left.key, left.samples.tolist(), left.rate_hz) == ("hall.0", [1, 2], 8000.0)
    assert (right.key, right.samples.tolist()) == ("hall.1", [-1, -2])


def test_wav_of_24_bits_keeps_every_value(tmp_path):
    values = [0, 1, -1, 2**23 - 1, -(2**23), 0x123456, -0x123456]
    frames = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    wav_of(tmp_path / "a.wav", 3, 1, frames)
    assert load(str(tmp_path / "a.wav"))[0].samples == array("i", values)


def test_torn_and_foreign_wav(tmp_path):
    wav_of(tmp_path / "a.wav", 2, 1, bytes(100))
    whole = (tmp_path / "a.wav").read_bytes()
    for data in (whole[:-10], whole[:20], b"not a wav at all"):
        (tmp_path / "b.wav").write_bytes(data)
        with pytest.raises(FileError):
            load(str(tmp_path / "b.wav"))


def test_directory_with_index(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(4, dtype="i2"))
    entry = {"file": "a.npy", "samples": 4, "rate_hz": 12000, "scale_g_per_count": 0.5}
    (tmp_path / "index.json").write_text(json.dumps([entry]))
    [recording] = load(str(tmp_path))
    assert recording[2:] == (12000.0, 0.5, "g", 1)
    (tmp_path / "index.json").write_text(json.dumps([entry | {"samples": 5}]))
    with pytest.raises(FileError, match=r"4 samples, index\.json says 5"):
        load(str(tmp_path))


@pytest.mark.parametrize("index", ["{", "{}", "[1]", '[{"file": "a.npy"}]', '[{"rate_hz": 1}]'])
def test_damaged_index(tmp_path, index):
    np.save(tmp_path / "a.npy", np.arange(4, dtype="i2"))
    (tmp_path / "index.json").write_text(index)
    with pytest.raises(FileError, match=r"index\.json"):
        load(str(tmp_path))


def test_index_cannot_point_outside(tmp_path):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "secret.npy", np.arange(4, dtype="i2"))
    (tmp_path / "in" / "index.json").write_text('[{"file": "../secret.npy", "rate_hz": 1}]')
    with pytest.raises(FileError, match="no such file"):
        load(str(tmp_path / "in"))


@pytest.mark.parametrize("name", ["a.npy", "a.txt", "."])
def test_what_is_not_there(tmp_path, name):
    with pytest.raises(FileError):
        load(str(tmp_path / name))


def test_recordings_come_as_numpy_reads_them(recordings):
    for recording in load(str(recordings)):
        expected = np.load(recordings / f"{recording.key}.npy")
        assert np.array_equal(np.asarray(recording.samples), expected)
        assert recording.rate_hz == 12000
        assert recording.unit == "g"


def test_channels_of_an_array_stand_side_by_side(tmp_path):
    rows = np.arange(12, dtype="i2").reshape(4, 3)
    np.save(tmp_path / "arm.npy", rows)
    [found] = load(str(tmp_path / "arm.npy"), Reading(channels=True))
    assert found.channels == 3
    assert np.array_equal(found.rows, rows)
    with pytest.raises(FileError, match="one dimension"):
        load(str(tmp_path / "arm.npy"))
    np.save(tmp_path / "columns.npy", np.asfortranarray(rows))
    with pytest.raises(FileError, match="one dimension"):
        load(str(tmp_path / "columns.npy"), Reading(channels=True))
