import threading

import pytest
from device_rig import info_of

from atoll.runtime.catalog import Catalog, Handles
from atoll.runtime.files import SystemFiles
from atoll.runtime.index import Row


@pytest.fixture
def catalog():
    return Catalog("root")


def row(seq, segment):
    return Row(seq, seq * 10, 0, segment, 0, 100, 10, 80, False)


def test_forgetting_segments_counts_bytes_and_blocks(catalog):
    stream = catalog.add_stream(info_of("a"), 3)
    for seq in range(6):
        stream.add(row(seq, seq // 2))
        catalog.stored_bytes += 100
    shard = catalog.shard("vibration", 3)
    assert catalog.forget(shard, {0, 2}) == 4
    assert catalog.stored_bytes == 200
    assert [stream.row(at).seq for at in range(len(stream))] == [2, 3]


def test_a_dropped_shard_takes_its_streams_along(catalog):
    catalog.add_stream(info_of("a"), 3)
    catalog.add_stream(info_of("b"), 4)
    catalog.drop_shard(catalog.shard("vibration", 3))
    assert list(catalog.streams) == [("vibration", "b")]
    assert list(catalog.shards) == [("vibration", 4)]


def test_a_handle_stays_open_while_it_is_read(catalog, tmp_path, monkeypatch):
    monkeypatch.setattr("atoll.runtime.catalog.HANDLES_MAX", 1)
    catalog.root = str(tmp_path)
    handles = Handles(SystemFiles(), threading.Lock())
    shard = catalog.shard("vibration", 3)
    SystemFiles().make_directory(shard.path)
    segments = [catalog.new_segment(shard) for _ in range(3)]
    for segment in segments:
        open(segment.path, "wb").close()
    first = handles.acquire(catalog, segments[0].number)
    handles.acquire(catalog, segments[1].number)
    assert first.handle >= 0  # read: not given up for the second
    handles.release(segments[1])
    handles.acquire(catalog, segments[2].number)
    assert segments[1].handle < 0
    handles.retire(segments[0])
    assert first.handle >= 0
    handles.release(segments[0])
    assert first.handle < 0
    assert handles.acquire(catalog, 999) is None
    handles.close_all()
    assert segments[2].handle < 0
