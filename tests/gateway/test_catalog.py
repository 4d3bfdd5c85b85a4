"""Datasets, shards, streams: where a key lies, and what may change."""

import hashlib
from array import array

import pytest
from gateway_data import data_of, filled
from gateway_fleet import Fleet

from atoll.gateway import catalog
from atoll.gateway.errors import RequestError
from atoll.runtime.live import pinned_shard as pinned_by_the_device
from atoll.wire.messages import BlockRun, StreamInfo


def test_a_key_lies_where_its_hash_says():
    for key in ("motor-1", "ä", "x" * 128):
        digest = hashlib.sha256(key.encode()).digest()
        assert catalog.shard_of(key, 64) == int.from_bytes(digest[:8], "big") % 64
    assert [catalog.shard_of(f"k{n}", 64) for n in range(4)] == [46, 8, 8, 26]


def test_device_and_gateway_pin_alike():
    for key in ("pi-1/cpu", "m0/ä"):
        assert catalog.pinned_shard(key) == pinned_by_the_device(key)


def info(**change):
    return StreamInfo("v", "k", "i16", 1, 100.0, 1.0, "g")._replace(**change)


@pytest.mark.parametrize(
    "change",
    [{"dtype": "f64"}, {"key": ""}, {"key": "a\0b"}, {"channels": 0}, {"rate_hz": float("nan")}],
)
def test_descriptions_that_make_no_sense(change):
    with pytest.raises(RequestError, match=r"stream|key"):
        catalog.check_info(info(**change))


def test_a_description_that_does():
    catalog.check_info(info())
    catalog.check_info(info(rate_hz=0.0, dtype="f32", key="ä/1"))


def test_bytes_are_counted_by_device_and_shard():
    data = data_of(10)
    fleet = filled("a", "b", data=data)
    books = fleet.core.catalog.by_device
    for name, device in fleet.devices.items():
        assert sum(books[name].values()) == sum(map(len, device.blocks.values()))
    total = sum(s.byte_count for s in fleet.core.catalog.all_shards())
    assert total == sum(books["a"].values())


def test_the_tail_outlives_the_last_copy():
    fleet = filled("a", "b", data={"k": array("h", range(100))})
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    for name in ("a", "b"):
        fleet.core.catalog.drop_runs(name, stream)
    assert stream.held == {}
    fleet.put("v", {"k": b"\0\0" * 5}, put_id=b"t" * 16)
    assert {(r.first_seq, r.first_sample) for held in stream.held.values() for r in held} == {
        (1, 100)
    }


def test_there_is_an_end_to_datasets(monkeypatch):
    monkeypatch.setattr(catalog, "DATASETS_MAX", 2)
    fleet = Fleet("a")
    replies = [fleet.put(f"d{n}", {"k": b"\0\0"}, put_id=bytes([n]) * 16) for n in range(3)]
    assert [reply.status for reply in replies] == [0, 0, 2]


def test_there_is_an_end_to_streams(monkeypatch):
    monkeypatch.setattr(catalog, "STREAMS_MAX", 3)
    fleet = Fleet("a")
    assert fleet.put("d", {f"k{n}": b"\0\0" for n in range(3)}).status == 0
    assert "at most 3 streams" in fleet.put("d", {"more": b"\0\0"}, put_id=b"2" * 16).body
    fleet.command("rm", "d")
    assert fleet.put("e", {"k": b"\0\0"}, put_id=b"3" * 16).status == 0


@pytest.mark.parametrize(("gap", "anchors"), [(False, [0]), (True, [0, 80])])
def test_news_that_overtakes_that_of_the_first_block_makes_no_gap(gap, anchors):
    fleet = filled("a", "b", data={"k": array("h", range(100))})
    books = fleet.core.catalog
    stream = books.open_stream(info(key="a/s"), books.datasets["v"].streams["k"].shard)
    books.add_run("a", stream, BlockRun(1, 1, 80, 40, 800, gap, 100))
    assert stream.anchors == [80]
    books.add_run("a", stream, BlockRun(0, 0, 0, 80, 0, False, 200))
    assert stream.anchors == anchors


def test_holders_of_the_same_share_one_list():
    fleet = filled("a", "b", data={"k": array("h", range(100))})
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    assert stream.held["a"] is stream.held["b"] is stream.all_runs()


def test_the_union_of_what_holders_have_follows_each_change():
    fleet = filled("a", "b", data={"k": array("h", range(100))})
    books = fleet.core.catalog
    stream = books.datasets["v"].streams["k"]
    (run,) = stream.all_runs()
    after = [
        BlockRun(run.last_seq + n, run.last_seq + n, 100 * n, 100, run.wall_ms, True, 9)
        for n in (1, 2)
    ]
    books.add_run("a", stream, after[0])
    assert stream.all_runs() == [run, after[0]]
    books.add_run("b", stream, after[1])
    assert stream.held["a"] != stream.held["b"]
    assert stream.all_runs() == [run, *after]
    assert stream.all_runs() is stream.all_runs()  # kept, until one changes
    books.drop_runs("a", stream)
    assert stream.all_runs() == [run, after[1]]
