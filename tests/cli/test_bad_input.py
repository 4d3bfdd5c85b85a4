"""Bad input of every kind ends in one clear line, a code that is not 0, and nothing lost.

The fixture `atoll` also fails a test for a traceback, and for a command that hangs.
"""

import os
import re
import socket
import subprocess
import sys
from array import array

import numpy as np
import pytest

from atoll.cli.site import Child
from atoll.gateway.client_errors import FleetError
from atoll.kernels import KernelError, Plan

PLAN = "window 8 | rms | quantiles 0.5"


def line_of(done):
    """The one line that the command said on stderr."""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert done.stdout == ""
    return lines[0]


@pytest.fixture
def samples(tmp_path):
    np.save(tmp_path / "good.npy", np.arange(100, dtype="i2"))
    return tmp_path / "good.npy"


# --- plans ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "says", "under"),
    [
        ("window 8 | rmss | quantiles 0.5", "did you mean 'rms'", "rmss"),
        ("window zero | rms | count", "window", "zero"),
        ("window 8 | rms | quantiles 1.5", "quantiles", "1.5"),
        ("window 8 | rms | histogram 5 1", "histogram", "histogram"),
        ("window 8 wide=3 | rms | count", "wide", "wide"),
        ("rms | count", "window", "rms"),
        ("", "", ""),
        ("|", "", ""),
    ],
)
def test_a_wrong_plan_shows_the_place(atoll, samples, plan, says, under):
    done = atoll("run", plan, "--file", samples, code=1)
    first, *shown = done.stderr.rstrip("\n").split("\n")
    assert first.startswith("atoll: ")
    assert says in first
    assert len(shown) in (0, 2)
    if under:
        text, carets = shown
        assert text[carets.index("^") :].startswith(under[:1])
    assert done.stdout == ""


def test_a_wrong_plan_needs_no_fleet_to_be_found(atoll, free_port):
    broker = f"mqtt://127.0.0.1:{free_port}"
    done = atoll("run", "momens", "--over", "x", "--broker", broker, code=4)
    assert "refused" in done.stderr


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "hint"), [("f8", 'astype("float32")'), ("i8", 'astype("int32")'), ("u1", "int16")]
)
@pytest.mark.parametrize("verb", ["run", "put"])
def test_a_wrong_dtype_says_how_to_convert(atoll, tmp_path, dtype, hint, verb):
    np.save(tmp_path / "wrong.npy", np.zeros(9, dtype))
    words = ("run", "count", "--file") if verb == "run" else ("put", "data")
    assert hint in line_of(atoll(*words, "wrong.npy", "--rate", "1", code=1))


def test_an_empty_array(atoll, tmp_path):
    np.save(tmp_path / "empty.npy", np.zeros(0, "i2"))
    assert "empty" in line_of(atoll("run", "count", "--file", "empty.npy", code=1))
    assert "empty" in line_of(atoll("put", "data", "empty.npy", "--rate", "1", code=1))


@pytest.mark.parametrize("name", ["missing.npy", "missing.csv", "missing.wav"])
def test_a_missing_file(atoll, name):
    assert f"{name}: no such file" in line_of(atoll("run", "count", "--file", name, code=1))
    assert f"{name}: no such file" in line_of(atoll("put", "data", name, "--rate", "1", code=1))


def test_a_torn_file(atoll, samples, tmp_path):
    (tmp_path / "torn.npy").write_bytes(samples.read_bytes()[:-7])
    said = line_of(atoll("put", "data", "torn.npy", "--rate", "1", code=1))
    assert said == "atoll: torn.npy: torn: 193 of 200 bytes of samples are there"


def test_a_file_that_may_not_be_read(atoll, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    assert "index.json" in line_of(atoll("run", "count", "--file", "folder.npy", code=1))


def test_nan_is_counted_and_left_out(atoll, tmp_path):
    np.save(tmp_path / "nan.npy", np.array([1, np.nan, 3], "f4"))
    done = atoll("run", "moments", "--file", "nan.npy")
    assert "moments count     2" in done.stdout
    assert "moments nan       1" in done.stdout


@pytest.mark.site
def test_nan_counts_the_same_over_the_fleet(site):
    values = np.array([1, np.nan, np.inf, -np.inf, 3] * 100, "f4")
    plan = Plan("moments")
    with site.connect() as fleet:
        fleet.put("bad-nan", values, key="k", rate=1)
        result = fleet.run(plan, over="bad-nan")
        back = fleet.get("bad-nan", "k")
    assert repr(result.value) == repr(plan.run(values))
    assert result.value["moments"]["nan"] == 100
    assert np.array_equal(back, values, equal_nan=True)


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("run", "count"),
        ("run", "count", "--over", "a", "--file", "b"),
        ("run", "count", "--over", "a", "--last", "soon"),
        ("put", "data"),
        ("put", "data", "a.npy", "--rate", "fast"),
        ("device",),
        ("device", "--id", "a", "--profile", "warp"),
        ("demo", "--seconds", "-1"),
        ("nonsense",),
    ],
)
def test_usage(atoll, words):
    done = atoll(*words, code=2)
    assert "atoll" in done.stderr.splitlines()[-1]


@pytest.mark.site
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("put", "da/ta", "good.npy", "--rate", "1"), "dataset 'da/ta'"),
        (("put", "data", "good.npy", "--rate", "-5"), "rate -5"),
        (("put", "data", "good.npy", "--rate", "1", "--key", "k" * 200), "at most 128"),
        (("put", "data", "good.npy", "--rate", "1", "--shards", "0"), "shards 0"),
        (("run", "count", "--over", "nowhere"), "no dataset 'nowhere'"),
        (("start", "q1", "count", "--over", "machine"), "q1"),
        (("start", "a b", "count", "--over", "machine"), "job 'a b'"),
        (("start", "j", "count", "--over", "machine", "--every", "often"), "often"),
        (("drain", "nobody"), "no device 'nobody'"),
        (("watch", "nothing"), "no standing job 'nothing'"),
    ],
)
def test_what_the_site_refuses(on_site, samples, words, says):
    assert says in line_of(on_site(*words, code=1))


@pytest.mark.site
def test_other_words_about_a_stream_change_nothing(on_site, samples, site):
    on_site("put", "bad-words", "good.npy", "--rate", "100")
    done = on_site("put", "bad-words", "good.npy", "--rate", "200", code=1)
    assert "good" in line_of(done)
    np.save(samples, np.arange(100, dtype="f4"))
    line_of(on_site("put", "bad-words", "good.npy", "--rate", "100", code=1))
    with site.connect() as fleet:
        assert fleet.run("count", over="bad-words").value == {"count": 100}


# --- brokers and ports ---------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["status", "devices", "jobs"])
def test_an_unreachable_broker(atoll, free_port, verb):
    broker = f"mqtt://127.0.0.1:{free_port}"
    said = line_of(atoll(verb, "--broker", broker, code=4, timeout_s=20))
    assert f"{broker}: Connection refused" in said


@pytest.mark.slow
def test_a_gateway_without_its_broker(atoll, free_port, tmp_path):
    words = ("gateway", "--state", tmp_path / "state", "--broker", f"mqtt://127.0.0.1:{free_port}")
    done = atoll(*words, code=4, timeout_s=40)
    assert f"no broker answers at mqtt://127.0.0.1:{free_port}" in done.stderr


@pytest.mark.parametrize("broker", ["http://x", "mqtt://", "mqtt://host:port", "mqtt://h:99999"])
def test_no_address(atoll, broker):
    assert "broker" in line_of(atoll("status", "--broker", broker, code=1))


def test_a_broker_without_a_gateway(atoll, broker_url):
    said = line_of(atoll("status", "--broker", broker_url, "--site", "empty", code=4))
    assert f"no gateway has been seen for site 'empty' at {broker_url}" in said
    assert "is this its broker (--broker; the gateway's first line names it)?" in said


def test_a_port_that_is_taken(atoll, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = ("gateway", "--state", tmp_path / "state", "--port", port)
        said = line_of(atoll(*words, code=1, timeout_s=30))
    assert f"port {port} on 127.0.0.1 is taken" in said


def test_not_open_to_the_world_by_accident(atoll, tmp_path):
    words = ("gateway", "--state", tmp_path / "state", "--listen", "0.0.0.0")
    said = line_of(atoll(*words, code=1, timeout_s=30))
    assert "atoll enroll" in said


# --- disks ---------------------------------------------------------------------------------------


def test_a_disk_that_is_full(tmp_path):
    """/dev/full is a disk on which nothing more fits."""
    if not os.path.exists("/dev/full"):
        pytest.skip("platform: no /dev/full")
    words = [sys.executable, "-P", "-m", "atoll.cli", "kernels", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip() == "atoll: No space left on device"


@pytest.mark.parametrize("verb", ["gateway", "device"])
def test_a_folder_that_cannot_be_written(atoll, tmp_path, verb):
    (tmp_path / "file").write_text("no folder")
    words = {
        "gateway": ("gateway", "--state", tmp_path / "file" / "state"),
        "device": ("device", "--id", "a", "--store", tmp_path / "file" / "store"),
    }[verb]
    done = atoll(*words, code=1, timeout_s=30)
    assert str(tmp_path / "file") in line_of(done)


@pytest.mark.site
@pytest.mark.root
@pytest.mark.slow
def test_a_device_whose_disk_is_full_loses_nothing(new_site):
    """Room for two megabytes beside the reserve: what was acknowledged is there, the rest is not
    taken, and the client is told why.
    """
    store = new_site.folder / "device-1"
    store.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(store)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("platform: no mounts here")
    try:
        new_site.start(1)
        stored = {}
        with new_site.connect() as fleet:
            with pytest.raises(FleetError, match=r"disk full|no device|not stored"):
                fill(fleet, stored)
            assert stored
            for key, values in stored.items():
                assert fleet.get("data", key).tolist() == values.tolist()
    finally:
        new_site.stop()
        subprocess.run(["umount", str(store)], check=True)


def fill(fleet, stored):
    for number in range(64):
        values = array("h", [number] * 30_000)
        fleet.put("data", values, key=f"k{number}", rate=1000)
        stored[f"k{number}"] = values


# --- a broker that refuses -----------------------------------------------------------------------


@pytest.mark.broker
@pytest.mark.parametrize("who", ["gateway", "device", "standby"])
def test_topics_that_the_broker_refuses_are_said(denying_url, tmp_path, who):
    words = {
        "gateway": ["gateway", "--state", tmp_path / "state"],
        "standby": ["gateway", "--standby", "--state", tmp_path / "state"],
        "device": ["device", "--id", "pi", "--store", tmp_path / "store"],
    }[who]
    child = Child(who, [*map(str, words), "--broker", denying_url], tmp_path / "log")
    try:
        child.wait_for(re.compile("the broker refuses this user the topics atoll/v1/home/"), 20)
        child.terminate()
        child.end()
        assert child.process.returncode == 0, child.tail()
    finally:
        child.kill()


# --- Python --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [([1.0, 2.0], "list"), (np.zeros(3), "float32"), (np.zeros((3, 2), "f4"), "one")],
)
def test_plan_and_fleet_say_alike(values, says):
    with pytest.raises(KernelError, match=says):
        Plan(PLAN).run(values)
