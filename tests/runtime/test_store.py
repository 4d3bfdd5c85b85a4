import contextlib
import errno
import os
import threading

import pytest
from device_rig import block_of, info_of
from failing_disk import FailingDisk

from atoll.runtime.errors import Missing, Refused, StoreError
from atoll.runtime.files import SystemFiles
from atoll.runtime.store import Store

A = info_of("a")


def samples(seq, size=200):
    return bytes((seq * 7 + at) % 256 for at in range(size))


def block(seq, info=A, **more):
    return block_of(info, seq, seq * 100, samples(seq), **more)


def opened(path, files=None, **more):
    more.setdefault("reserve_bytes", 0)
    return Store(str(path), files or SystemFiles(), **more)


def fill(store, count, **more):
    for seq in range(count):
        assert store.stage(block(seq, **more), 1_000) > 0
    assert not store.commit().failed


def read(store, start, stop, info=A):
    return bytes(store.read(info.dataset, info.key, start, stop)[1])


def whole(count):
    return b"".join(samples(seq) for seq in range(count))


def only_segment(path):
    [segment] = sorted(path.rglob("*.seg"))
    return segment


def test_what_is_committed_is_read(tmp_path):
    store = opened(tmp_path)
    fill(store, 5)
    assert read(store, 0, 500) == whole(5)
    assert read(store, 150, 333) == whole(5)[300:666]
    assert store.read("vibration", "a", 0, 1)[0] == A
    assert store.block("vibration", "a", 3) == block(3)
    assert store.stored_bytes == 5 * len(block(0))


def test_nothing_is_seen_before_the_sync(tmp_path):
    store = opened(tmp_path)
    store.stage(block(0), 1_000)
    with pytest.raises(Missing):
        read(store, 0, 1)
    assert store.streams() == []
    store.commit()
    assert read(store, 0, 100) == samples(0)


def test_one_sync_for_many_blocks(tmp_path):
    disk = FailingDisk()
    store = opened(tmp_path, disk)
    fill(store, 50)
    assert disk.syncs == 1


@pytest.mark.parametrize(("start", "stop"), [(0, 501), (500, 501), (3, 3), (4, 2)])
def test_samples_that_are_not_here(tmp_path, start, stop):
    store = opened(tmp_path)
    fill(store, 5)
    with pytest.raises(Missing, match="are not here"):
        read(store, start, stop)
    with pytest.raises(Missing):
        store.read("vibration", "b", 0, 1)


def test_gaps_and_holes_are_not_read_across(tmp_path):
    store = opened(tmp_path)
    for seq, gap in ((0, False), (1, True), (3, False)):
        store.stage(block(seq, gap=gap), 1_000)
    store.commit()
    assert read(store, 100, 200) == samples(1)
    for start, stop in ((50, 150), (150, 350), (250, 350)):
        with pytest.raises(Missing):
            read(store, start, stop)


def test_the_same_block_again_is_stored_already(tmp_path):
    store = opened(tmp_path)
    ticket = store.stage(block(0), 1_000)
    assert store.stage(block(0), 1_000) == ticket
    store.commit()
    assert store.stage(block(0), 1_000) == 0
    assert store.commit().added == []


@pytest.mark.parametrize("staged", [False, True])
def test_other_bytes_under_the_same_number_are_refused(tmp_path, staged):
    store = opened(tmp_path)
    store.stage(block(0), 1_000)
    if not staged:
        store.commit()
    with pytest.raises(Refused, match="other bytes"):
        store.stage(block_of(A, 0, 0, samples(1)), 1_000)


def test_what_contradicts_the_stream_is_refused(tmp_path):
    store = opened(tmp_path)
    fill(store, 2)
    with pytest.raises(Refused, match="overlaps block 1"):
        store.stage(block_of(A, 2, 150, samples(2)), 1_000)
    with pytest.raises(Refused, match="is here as"):
        store.stage(block_of(A._replace(rate_hz=9.0), 2, 200, samples(2)), 1_000)
    with pytest.raises(Refused, match="is here as"):
        store.stage(block(2, shard=4), 1_000)


def test_damaged_blocks_are_refused(tmp_path):
    store = opened(tmp_path)
    damaged = bytearray(block(0))
    damaged[-9] ^= 1
    with pytest.raises(Refused, match="crc"):
        store.stage(bytes(damaged), 1_000)


def test_everything_is_there_after_a_restart(tmp_path):
    store = opened(tmp_path, segment_bytes=2_000)
    fill(store, 40)
    other = info_of("b")
    for seq in range(3):
        store.stage(block_of(other, seq, seq * 100, samples(seq), shard=4, gap=seq == 1), 1_000)
    store.commit()
    before = store.streams()
    store.close()
    again = opened(tmp_path, segment_bytes=2_000)
    assert again.recovered == (43, 0, 0, 0)
    assert again.streams() == before
    assert again.stored_bytes == store.stored_bytes
    assert read(again, 0, 4_000) == whole(40)
    assert again.stage(block(40), 1_000) > 0
    again.commit()
    again.close()
    assert read(opened(tmp_path), 3_950, 4_100) == whole(41)[7_900:]


def test_a_tail_torn_at_any_byte_is_cut_off(tmp_path):
    store = opened(tmp_path)
    fill(store, 3)
    path = only_segment(tmp_path)
    synced = path.read_bytes()
    store.stage(block(3), 1_000)
    written = path.read_bytes()
    store.close()
    for size in range(len(synced), len(written)):
        path.write_bytes(written[:size])
        again = opened(tmp_path)
        assert again.recovered[:3] == (3, size > len(synced), size - len(synced))
        assert read(again, 0, 300) == whole(3)
        assert path.stat().st_size == len(synced)
        assert again.stage(block(3), 1_000) > 0
        assert not again.commit().failed
        assert read(again, 0, 400) == whole(4)
        again.close()


def test_a_first_record_torn_at_any_byte(tmp_path):
    store = opened(tmp_path)
    fill(store, 1)
    path = only_segment(tmp_path)
    written = path.read_bytes()
    store.close()
    for size in range(len(written)):
        path.write_bytes(written[:size])
        again = opened(tmp_path)
        assert again.recovered.blocks == 0
        assert again.stage(block(0), 1_000) > 0
        again.commit()
        assert read(again, 0, 100) == samples(0)
        again.close()
        for segment in tmp_path.rglob("*.seg"):
            segment.unlink()


def test_unsynced_samples_that_did_not_reach_the_disk(tmp_path):
    """A frame on disk says nothing of its samples: unsynced ones are checked."""
    store = opened(tmp_path)
    fill(store, 2)
    path = only_segment(tmp_path)
    synced = path.stat().st_size
    store.stage(block(2), 1_000)
    store.stage(block(3), 1_000)
    data = bytearray(path.read_bytes())
    store.close()
    path.with_suffix(".idx").unlink()  # the power failed before the end
    data[synced + 100 : synced + 200] = bytes(100)
    path.write_bytes(data)
    again = opened(tmp_path)
    assert again.recovered.blocks == 3
    assert again.recovered.damaged == 1
    with pytest.raises(Missing):
        read(again, 200, 300)
    assert read(again, 300, 400) == samples(3)


def test_damage_in_the_middle_costs_one_block(tmp_path):
    store = opened(tmp_path)
    fill(store, 6)
    store.close()
    path = only_segment(tmp_path)
    path.with_suffix(".idx").unlink()  # or it shows at the first read
    data = bytearray(path.read_bytes())
    record = (len(data) - 16) // 6
    data[16 + 2 * record + 30] ^= 0x40  # in the frame of block 2
    path.write_bytes(data)
    again = opened(tmp_path)
    assert (again.recovered.blocks, again.recovered.damaged, again.recovered.torn) == (5, 1, 0)
    [held] = again.streams()
    assert [(run.first_seq, run.last_seq) for run in held.runs] == [(0, 1), (3, 5)]
    assert again.stage(block(2), 1_000) > 0  # the copy from a replica
    again.commit()
    assert read(again, 0, 600) == whole(6)
    again.close()
    assert read(opened(tmp_path), 0, 600) == whole(6)


def test_every_flipped_bit_is_a_missing_block_or_none_the_worse(tmp_path):
    store = opened(tmp_path)
    fill(store, 3)
    store.close()
    path = only_segment(tmp_path)
    good = path.read_bytes()
    for at in range(0, len(good) * 8, 5):
        data = bytearray(good)
        data[at // 8] ^= 1 << at % 8
        path.write_bytes(data)
        try:
            again = opened(tmp_path)
        except StoreError:
            continue
        for seq in range(3):
            with contextlib.suppress(Missing):
                assert read(again, seq * 100, seq * 100 + 100) == samples(seq)
        again.close()


def test_rot_is_found_by_the_read_and_mended_by_a_copy(tmp_path):
    store = opened(tmp_path)
    fill(store, 3)
    path = only_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[-60] ^= 1
    path.write_bytes(data)
    with pytest.raises(Missing, match="block 2 cannot be read whole"):
        read(store, 200, 300)
    assert store.damaged_reads == 1
    assert [run.last_seq for run in store.streams()[0].runs] == [1]
    assert store.stage(block(2), 1_000) > 0
    store.commit()
    assert read(store, 0, 300) == whole(3)


def test_rot_is_mended_even_if_nobody_read_it(tmp_path):
    store = opened(tmp_path)
    fill(store, 3)
    path = only_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[-60] ^= 1
    path.write_bytes(data)
    assert store.stage(block(2), 1_000) > 0
    store.commit()
    assert read(store, 0, 300) == whole(3)
    store.close()
    assert read(opened(tmp_path), 0, 300) == whole(3)


def test_a_full_disk_refuses_and_keeps_what_it_has(tmp_path):
    disk = FailingDisk(room=2_000)
    store = opened(tmp_path, disk)
    stored = 0
    while disk.room >= 60 + len(block(0)):  # a frame and a block
        store.stage(block(stored), 1_000)
        stored += 1
    with pytest.raises(Refused, match=r"disk full: \d+ bytes free"):
        store.stage(block(stored), 1_000)
    assert len(store.commit().tickets) == stored
    assert read(store, 0, stored * 100) == whole(stored)
    disk.room = 10_000
    assert store.stage(block(stored), 1_000) > 0
    store.commit()
    assert read(store, 0, stored * 100 + 100) == whole(stored + 1)
    store.close()
    assert opened(tmp_path).recovered == (stored + 1, 0, 0, 0)


@pytest.mark.parametrize("truncate_fails", [False, True])
def test_a_write_that_tears_leaves_nothing_behind(tmp_path, truncate_fails):
    disk = FailingDisk()
    store = opened(tmp_path, disk)
    fill(store, 3)
    disk.room = 150
    disk.free_bytes = lambda path: 1 << 30  # it has not noticed yet
    disk.truncate_fails = truncate_fails
    with pytest.raises(Refused, match="disk full"):
        store.stage(block(3), 1_000)
    assert read(store, 0, 300) == whole(3)
    disk.room, disk.truncate_fails = None, False
    assert store.stage(block(3), 1_000) > 0
    store.commit()
    assert read(store, 0, 400) == whole(4)
    store.close()
    assert read(opened(tmp_path), 0, 400) == whole(4)


def test_a_disk_that_fails_is_not_called_full(tmp_path, monkeypatch):
    disk = FailingDisk()
    store = opened(tmp_path, disk)

    def append(handle, pieces):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(disk, "append", append)
    with pytest.raises(Refused, match="disk error: Input/output error"):
        store.stage(block(0), 1_000)


def test_the_reserve_stays_free(tmp_path):
    disk = FailingDisk(room=5_000)
    store = opened(tmp_path, disk, reserve_bytes=4_900)
    with pytest.raises(Refused, match="disk full: 5000 bytes free, 4900 kept in reserve"):
        store.stage(block(0), 1_000)
    assert store.streams() == []


def test_a_sync_that_fails_acknowledges_nothing(tmp_path):
    disk = FailingDisk()
    store = opened(tmp_path, disk)
    fill(store, 2)
    tickets = [store.stage(block(seq), 1_000) for seq in (2, 3)]
    disk.sync_fails = True
    done = store.commit()
    assert [ticket for ticket, _ in done.failed] == tickets
    assert "sync failed" in done.failed[0][1]
    assert read(store, 0, 200) == whole(2)
    with pytest.raises(Missing):
        read(store, 200, 300)
    disk.sync_fails = False
    for seq in (2, 3):  # into a new segment: the old one is not trusted any more
        store.stage(block(seq), 1_000)
    assert not store.commit().failed
    assert len(list(tmp_path.rglob("*.seg"))) == 2
    assert read(store, 0, 400) == whole(4)
    store.close()
    assert read(opened(tmp_path), 0, 400) == whole(4)


def test_retention_by_age_and_size(tmp_path):
    store = opened(tmp_path, segment_bytes=2_000)
    for seq in range(40):
        store.stage(block(seq, wall_ms=seq * 1_000), 1_000)
    store.commit()
    assert store.retain("vibration", 3, 0, 0, 10**9) == 0
    assert store.retain("vibration", 3, 20, 0, 30_000) == 10  # older than second 10
    assert store.streams()[0].runs[0].first_seq == 10
    dropped = store.retain("vibration", 3, 0, 6_000, 30_000)
    assert dropped > 5
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.seg")) <= 6_000
    [held] = store.streams()
    assert held.runs[0].last_seq == 39
    assert store.stored_bytes == held.runs[0].byte_count
    assert store.retain("vibration", 3, 1, 0, 10**9) > 0  # everything is too old
    assert store.streams() == []


def test_deleting_a_shard(tmp_path):
    store = opened(tmp_path)
    fill(store, 3)
    fill(store, 3, info=info_of("b"), shard=4)
    assert store.delete("vibration", 3) == 3
    assert store.delete("vibration", 3) == 0
    assert [held.info.key for held in store.streams()] == ["b"]
    assert [path.name for path in (tmp_path / "shards" / "vibration").iterdir()] == ["4"]
    assert store.stored_bytes == 3 * len(block(0))
    fill(store, 2)  # the shard may come back
    assert read(store, 0, 200) == whole(2)


def test_segments_are_closed_after_an_hour(tmp_path):
    store = opened(tmp_path)
    for hour in range(3):
        store.stage(block(hour), 1_000 + hour * 3_600_000)
        store.commit()
    assert len(list(tmp_path.rglob("*.seg"))) == 3


def test_a_later_format_is_refused(tmp_path):
    from atoll.wire.block import crc32c

    store = opened(tmp_path)
    fill(store, 1)
    store.close()
    path = only_segment(tmp_path)
    data = bytearray(path.read_bytes())
    data[8] = 2
    data[12:16] = crc32c(bytes(data[:12])).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(StoreError, match="format 2; this version reads up to 1"):
        opened(tmp_path)


def test_many_shards_do_not_use_up_the_handles(tmp_path, monkeypatch):
    monkeypatch.setattr("atoll.runtime.catalog.HANDLES_MAX", 8)
    store = opened(tmp_path)
    infos = [info_of(f"k{number}") for number in range(40)]
    for number, info in enumerate(infos):
        store.stage(block(0, info=info, shard=number), 1_000)
        store.commit()
    links = [os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd")]
    assert sum(link.startswith(str(tmp_path)) for link in links) <= 9
    assert all(read(store, 0, 100, info) == samples(0) for info in infos)


def test_reading_beside_writing_and_deleting(tmp_path):
    store = opened(tmp_path, segment_bytes=4_000)
    fill(store, 20)
    wrong, ended = [], threading.Event()

    def look():
        while not ended.is_set():
            try:
                if read(store, 0, 2_000) != whole(20):
                    wrong.append("bytes")
            except Missing:
                continue

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    other = info_of("b")
    for round_ in range(30):
        for seq in range(10):
            store.stage(block(seq, info=other, shard=5), 1_000 + round_)
        store.commit()
        store.delete("vibration", 5)
    store.delete("vibration", 3)
    ended.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bytes_written_are_counted(tmp_path):
    store = opened(tmp_path)
    fill(store, 4)
    assert store.bytes_written == only_segment(tmp_path).stat().st_size - 16
