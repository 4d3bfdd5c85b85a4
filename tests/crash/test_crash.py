"""The campaign itself: its oracle sees what is lost, doubled or wrong, and a short run is clean."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from crash_disks import check_stream
from crash_oracle import Book, batches

from atoll.kernels import Plan
from atoll.wire.block import Block, encode_block
from atoll.wire.messages import StreamInfo

CAMPAIGN = Path(__file__).with_name("crash.py")


def numbers(*values):
    return np.array(values, "i2")


@pytest.fixture
def book():
    book = Book("d", 10.0)
    book.add({"a": numbers(1, 2, 3)})
    book.add({"a": numbers(4), "b": numbers(9)})
    return book


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (numbers(1, 2, 3, 4), []),
        (numbers(1, 2, 3), ["lost"]),
        (numbers(2, 3, 4), ["lost"]),
        (numbers(1, 2, 3, 4, 4), ["duplicated"]),
        (numbers(1, 2, 1, 2, 3, 4), ["duplicated"]),
        (numbers(1, 2, 4, 3), ["wrong"]),
        (numbers(1, 2, 3, 5), ["wrong"]),
    ],
)
def test_samples_that_were_read(book, found, kinds):
    assert [kind for kind, _ in book.compare_samples("a", found)] == kinds


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        ({"a": 4, "b": 1}, []),
        ({"a": 4}, ["lost"]),
        ({"a": 4, "b": 2}, ["duplicated"]),
        ({"a": 3, "b": 1, "c": 1}, ["lost", "duplicated"]),
    ],
)
def test_samples_that_were_counted(book, found, kinds):
    assert [kind for kind, _ in book.compare_counts(found)] == kinds


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (numbers(1, 2, 3, 4), []),
        (numbers(1, 2, 3, 4, 5), []),
        (numbers(1, 2, 3, 4, 5, 6), []),
        (numbers(1, 2, 3), ["lost"]),
        (numbers(1, 2, 3, 4, 6), ["wrong"]),
        (numbers(1, 2, 3, 4, 5, 6, 5), ["duplicated"]),
    ],
)
def test_after_a_put_that_was_not_answered(book, found, kinds):
    assert [kind for kind, _ in book.doubtful("a", numbers(5, 6), found)] == kinds


def test_the_oracle_is_one_machine_over_what_was_acknowledged(book):
    plan = Plan("moments")
    streams = {"a": numbers(1, 2, 3, 4), "b": numbers(9)}
    assert plan.finish(book.partial(plan)) == plan.run(streams)
    assert plan.finish(book.partial(plan, without=["b"])) == plan.run({"a": streams["a"]})


def test_windows_begin_anew_at_each_gap():
    found = batches(np.arange(10, 60), [10, 33], 10, 10)
    assert [(one.first, one.anchor, len(one.samples)) for one in found] == [
        (10, 10, 10),
        (20, 10, 10),
        (30, 10, 3),
        (33, 33, 10),
        (43, 33, 10),
    ]
    assert found[2].samples.tolist() == [30, 31, 32]


def block(seq, first, *values):
    info = StreamInfo("d", "a", "i16", 1, 10.0, 1.0, "")
    data = numbers(*values).tobytes()
    return encode_block(Block(info, 0, seq, first, len(values), 0, 0, 0, 0, False, data))


def test_every_block_is_on_two_disks_alike(book):
    one, two = block(0, 0, 1, 2, 3), block(1, 3, 4)
    other = block(0, 0, 1, 2, 9)
    assert check_stream(book, "a", {0: [one, one], 1: [two, two, two]}) == []
    assert [kind for kind, _ in check_stream(book, "a", {0: [one, one], 1: [two]})] == ["lost"]
    assert [kind for kind, _ in check_stream(book, "a", {0: [one, other], 1: [two, two]})] == [
        "wrong"
    ]
    assert [kind for kind, _ in check_stream(book, "a", {0: [one, one]})] == ["lost"]


@pytest.mark.site
@pytest.mark.slow
def test_two_kills_of_each(tmp_path):
    words = ["--kills", "2", "--seed", "4", "--to", str(tmp_path / "crash.json")]
    done = subprocess.run([sys.executable, CAMPAIGN, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "crash.json").read_text())
    assert found["kills"] == {"gateway": 2, "device": 2, "broker": 2}
    assert (found["lost"], found["duplicated"], found["wrong"]) == (0, 0, 0)
    assert min(found["puts"], found["queries"], found["windows"], found["live_windows"]) > 0
