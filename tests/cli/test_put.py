import json
from array import array

import numpy as np
import pytest

pytestmark = pytest.mark.site


def test_put_then_get_is_the_same_file(on_site, tmp_path):
    samples = np.arange(-70_000, 70_000, dtype="i4")
    np.save(tmp_path / "motor.npy", samples)
    done = on_site("put", "cli-put", "motor.npy", "--rate", "1000", "--unit", "mV", "--json")
    assert json.loads(done.stdout) | {"elapsed_s": 0} == {
        "dataset": "cli-put",
        "keys": ["motor"],
        "samples": 140_000,
        "bytes": 560_000,
        "elapsed_s": 0,
    }
    on_site("get", "cli-put", "motor", "-o", "back.npy")
    assert np.array_equal(np.load(tmp_path / "back.npy"), samples)


def test_the_same_key_appends(on_site, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10, dtype="i2"))
    on_site("put", "cli-append", "a.npy", "--key", "k", "--rate", "10")
    assert (
        "k, 10 samples"
        in on_site("put", "cli-append", "a.npy", "--key", "k", "--rate", "10").stdout
    )
    shown = on_site("get", "cli-append", "k").stdout.split()
    assert shown == [str(n) for n in [*range(10), *range(10)]]


def test_a_stereo_wav_is_two_streams(on_site, tmp_path):
    import wave

    with wave.open(str(tmp_path / "hall.wav"), "wb") as file:
        file.setparams((2, 2, 8000, 0, "NONE", ""))
        file.writeframes(array("h", [1, -1, 2, -2]).tobytes())
    assert "2 streams, 4 samples" in on_site("put", "cli-sound", "hall.wav").stdout
    assert on_site("get", "cli-sound", "hall.1").stdout.split() == ["-1", "-2"]


def test_recordings_by_their_index(on_site, recordings):
    assert "8 streams" in on_site("put", "cli-recordings", recordings).stdout
    found = json.loads(on_site("get", "cli-recordings", "normal_0_97_de", "--json").stdout)
    assert (found["rate_hz"], found["unit"], found["count"]) == (12000.0, "g", 243938)


def test_a_rate_must_be_said(on_site, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(10, dtype="i2"))
    assert "give --rate HZ" in on_site("put", "cli-x", "a.npy", code=2).stderr
