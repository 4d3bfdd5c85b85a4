import json
import queue
from array import array

import pytest

from atoll.runtime.errors import UsageError
from atoll.runtime.source_file import FileSource

SAMPLES = array("i", range(500))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "motor.csv").write_text("\n".join(map(str, SAMPLES)))
    return str(tmp_path / "motor.csv")


def replayed(source, pieces):
    posted = queue.SimpleQueue()
    source.start(posted.put)
    taken = [posted.get(timeout=10) for _ in range(pieces)]
    source.stop()
    return taken


def test_it_replays_at_its_rate(path):
    source = FileSource("motors", f"{path}@1000hz", "pi")
    [info] = source.streams
    assert (info.key, info.dtype, info.rate_hz) == ("pi/motor", "i32", 1_000.0)
    taken = replayed(source, 3)
    assert [one.sample_count for one in taken] == [200, 200, 100]
    assert b"".join(one.samples[0][1] for one in taken) == SAMPLES.tobytes()
    assert taken[1].mono_ms - taken[0].mono_ms == pytest.approx(200, abs=100)
    assert not any(one.gap for one in taken)


def test_a_loop_begins_again_after_a_gap(path):
    taken = replayed(FileSource("motors", f"{path}@10000,loop", "pi"), 3)
    assert [one.gap for one in taken] == [False, True, True]
    assert {one.samples[0][1] for one in taken} == {SAMPLES.tobytes()}


def test_the_rate_beside_the_file(path, tmp_path):
    entry = {"file": "motor.csv", "rate_hz": 5_000, "scale_g_per_count": 0.25}
    (tmp_path / "index.json").write_text(json.dumps([{"file": "other.npy"}, entry]))
    [info] = FileSource("motors", path, "pi").streams
    assert (info.rate_hz, info.scale, info.unit) == (5_000.0, 0.25, "g")


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (None, "no rate for .*write file:"),
        ("[]", "no rate"),
        ("{", "index.json cannot be used"),
        ('[{"name": 3}]', "index.json cannot be used"),
    ],
)
def test_without_a_rate(path, tmp_path, index, words):
    if index is not None:
        (tmp_path / "index.json").write_text(index)
    with pytest.raises(UsageError, match=words):
        FileSource("motors", path, "pi")


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        FileSource("motors", f"{tmp_path}/gone.npy@10hz", "pi")
    (tmp_path / "a.csv").write_text("1")
    with pytest.raises(UsageError, match="rate 'fast'"):
        FileSource("motors", f"{tmp_path}/a.csv@fast", "pi")
