from struct import unpack

import pytest
from board_tree import Taken, await_true, lay_out

from atoll.runtime import source_poll
from atoll.runtime.errors import UsageError
from atoll.runtime.source_poll import CHANNELS_MAX, Channel, PolledSource, Reader


def i32(row):
    return [unpack("<i", one)[0] for one in row]


def test_values_offsets_and_what_is_beyond_the_range(tmp_path):
    root = lay_out(tmp_path, {"a": "7\n", "b": "-99999999999\n", "c": "21.5\n", "d": "1e300"})
    reader = Reader(
        [
            Channel("a", f"{root}/a", offset=-10),
            Channel("b", f"{root}/b"),
            Channel("c", f"{root}/c", "f32", offset=0.25),
            Channel("d", f"{root}/d", "f32"),
        ]
    )
    *whole, c, d = reader.read()
    assert i32(whole) == [-3, -(2**31)]
    assert unpack("<ff", c + d) == (21.75, 3.4028234663852886e38)
    lay_out(tmp_path, {"a": "8\n"})
    assert i32(reader.read()[:1]) == [-2]
    reader.close()


@pytest.mark.parametrize(
    ("values", "modulus", "steps"),
    [
        ([10, 15, 12], 2**64, [5, -3]),
        ([65_530, 4, 65_535], 65_536, [10, -5]),
        ([0, 2**64 - 1, 1], 2**64, [-1, 2]),
        ([0, 2**40], 2**64, [2**31 - 1]),
    ],
)
def test_counters_give_differences_and_go_round(tmp_path, values, modulus, steps):
    path = tmp_path / "count"
    path.write_text(f"{values[0]}\n")
    reader = Reader([Channel("count0", str(path), modulus=modulus)])
    assert reader.read() == []  # no past yet
    found = []
    for value in values[1:]:
        path.write_text(f"{value}\n")
        found += i32(reader.read())
    assert found == steps
    reader.close()


def test_what_is_no_number_names_its_file_and_a_counter_begins_anew(tmp_path):
    root = lay_out(tmp_path, {"count": "5", "other": "1"})
    reader = Reader([Channel("n", f"{root}/count", modulus=2**64), Channel("o", f"{root}/other")])
    reader.read()
    lay_out(tmp_path, {"other": "oops"})
    with pytest.raises(OSError, match="'oops' is no number") as caught:
        reader.read()
    assert caught.value.filename == f"{root}/other"
    lay_out(tmp_path, {"other": "1", "count": "9"})
    assert reader.read() == []
    lay_out(tmp_path, {"count": "11"})
    assert i32(reader.read()) == [2, 1]
    reader.close()


def test_a_reading_that_fails_is_missed_and_a_gap(tmp_path):
    root = lay_out(tmp_path, {"a": "1"})
    source = PolledSource("d", "pi", 100.0, lambda: [Channel("a", f"{root}/a")])
    with Taken(source) as taken:
        assert not taken.next().gap
        lay_out(tmp_path, {"a": "?"})
        await_true(lambda: source.missed)
        assert source.trouble == f"source d: {root}/a: '?' is no number"
        lay_out(tmp_path, {"a": "2"})
        await_true(lambda: not source.trouble)
        sampled = taken.next()
        while not sampled.gap:
            sampled = taken.next()
    assert unpack("<i", sampled.samples[0][1][:4]) == (2,)


def test_a_sensor_that_went_away_is_found_again_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(source_poll, "RETRY_S", 0.01)
    places = [f"{lay_out(tmp_path, {'a': '1', 'b': '5'})}/a"]

    def find():
        if not places:
            raise UsageError("source d: it is not there")
        return [Channel("x", places[0])]

    source = PolledSource("d", "pi", 200.0, find)
    with Taken(source) as taken:
        taken.next()
        place = places.pop()
        # What pread says of a device that is gone; a file of an ordinary folder never says so.
        with monkeypatch.context() as patch:
            patch.setattr(source_poll.os, "pread", gone)
            await_true(lambda: source._reader is None)
        await_true(lambda: source.trouble == "source d: it is not there")
        places.append(place.replace("/a", "/b"))
        await_true(lambda: not source.trouble)
        sampled = taken.next()
        while not sampled.gap:
            sampled = taken.next()
    assert unpack("<i", sampled.samples[0][1][:4]) == (5,)


def gone(*_):
    raise OSError(19, "No such device")


def test_other_channels_are_another_sensor(tmp_path):
    root = lay_out(tmp_path, {"a": "1"})
    channels = [Channel("x", f"{root}/a")]
    source = PolledSource("d", "pi", 1.0, lambda: channels)
    source._reader.close()
    source._reader = None
    channels = [Channel("y", f"{root}/a")]
    assert source._sample() == []
    assert source.trouble == "source d: came back with other channels"


def test_bounds_and_files_that_are_not_there(tmp_path):
    many = [Channel(f"c{n}", "x") for n in range(CHANNELS_MAX + 1)]
    with pytest.raises(UsageError, match="65 channels, at most 64: name some with channels=a"):
        PolledSource("d", "pi", 1.0, lambda: many)
    with pytest.raises(UsageError, match=r"source d: .*gone cannot be read: No such file"):
        PolledSource("d", "pi", 1.0, lambda: [Channel("a", f"{tmp_path}/gone")])
