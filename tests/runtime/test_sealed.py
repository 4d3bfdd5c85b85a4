import pytest
from device_rig import block_of, info_of

from atoll.runtime.errors import Missing
from atoll.runtime.files import SystemFiles
from atoll.runtime.index import rows_of
from atoll.runtime.sealed import index_path, read_index
from atoll.runtime.segment import Segment
from atoll.runtime.store import Store


class Counting(SystemFiles):
    bytes_read = 0

    def read(self, handle, size, offset):
        data = super().read(handle, size, offset)
        self.bytes_read += len(data)
        return data


def opened(path, files=None):
    return Store(str(path), files or SystemFiles(), reserve_bytes=0, segment_bytes=4_000)


def block(seq, key="a"):
    return block_of(info_of(key), seq, seq * 100, bytes([seq]) * 200)


def filled(path, count=40):
    store = opened(path)
    for seq in range(count):
        for key in ("a", "b"):
            store.stage(block(seq, key), 1)
        store.commit()
    return store


def contents(store):
    return {
        (held.info.key, seq): store.block("vibration", held.info.key, seq)
        for held in store.streams()
        for run in held.runs
        for seq in range(run.first_seq, run.last_seq + 1)
    }


def segments(path):
    return sorted((path / "shards" / "vibration" / "3").glob("*.seg"))


def test_full_segments_are_indexed_before_the_end(tmp_path):
    filled(tmp_path)  # and killed
    indexes = {one.stem for one in segments(tmp_path)[0].parent.glob("*.idx")}
    assert indexes == {one.stem for one in segments(tmp_path)[:-1]}
    assert len(contents(opened(tmp_path))) == 80


def test_what_the_indexes_say_is_what_a_scan_says(tmp_path):
    store = filled(tmp_path)
    before, listed, size = contents(store), store.streams(), store.stored_bytes
    store.close()
    files = Counting()
    again = opened(tmp_path, files)
    assert files.bytes_read < size
    assert (again.streams(), again.stored_bytes, contents(again)) == (listed, size, before)
    again.close()
    for path in segments(tmp_path):
        path.with_suffix(".idx").unlink()
    scanned = opened(tmp_path)
    assert (scanned.streams(), scanned.stored_bytes) == (listed, size)


@pytest.mark.parametrize("damage", [b"", b"ATOLLIDX", None])
def test_an_index_that_cannot_be_believed_is_ignored(tmp_path, damage):
    filled(tmp_path).close()
    path = segments(tmp_path)[1].with_suffix(".idx")
    data = bytearray(path.read_bytes())
    data[50] ^= 1
    path.write_bytes(data if damage is None else damage)
    again = opened(tmp_path)
    assert len(contents(again)) == 80
    assert again.recovered == (80, 0, 0, 0)


def test_a_segment_that_goes_on_is_scanned(tmp_path):
    filled(tmp_path, 3).close()
    again = opened(tmp_path)
    again.stage(block(3), 1)
    again.commit()
    assert len(contents(opened(tmp_path))) == 7


def test_a_segment_cut_off_where_a_record_ends(tmp_path):
    filled(tmp_path).close()
    path = segments(tmp_path)[1]
    segment = Segment(int(path.stem, 16), str(path))
    sealed = read_index(SystemFiles(), segment)
    last = max(rows.words[-2] & (1 << 40) - 1 for rows in sealed.streams)
    path.write_bytes(path.read_bytes()[:last])
    again = opened(tmp_path)
    assert again.recovered[:2] == (79, 0)
    assert again.recovered.damaged == 1


def test_a_rotten_block_is_found_when_it_is_read(tmp_path):
    filled(tmp_path).close()
    path = segments(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[300] ^= 1
    path.write_bytes(data)
    again = opened(tmp_path)
    with pytest.raises(Missing):
        again.block("vibration", "a", 0)
    assert again.damaged_reads == 1


def test_indexes_go_with_their_segments(tmp_path):
    store = filled(tmp_path)
    assert store.delete("vibration", 3) == 80
    assert not (tmp_path / "shards" / "vibration" / "3").exists()
    assert index_path(Segment(1, "x/00000001.seg")) == "x/00000001.idx"


def test_streams_that_come_later_keep_their_numbers_apart(tmp_path):
    store = opened(tmp_path)
    for key in ("a", "b"):
        store.stage(block(0, key), 1)
    store.close()
    again = opened(tmp_path)
    again.stage(block(1, "b"), 1)
    again.stage(block(1, "a"), 1)
    again.commit()
    before = contents(again)
    assert contents(opened(tmp_path)) == before  # scanned: it was killed


def test_an_index_without_its_segment_is_removed_and_its_number_not_used(tmp_path):
    filled(tmp_path, 3).close()
    [path] = segments(tmp_path)
    path.unlink()
    again = opened(tmp_path)
    assert not path.with_suffix(".idx").exists()
    again.stage(block(0), 1)
    again.commit()
    assert [one.name for one in segments(tmp_path)] == ["00000002.seg"]


def test_a_block_in_the_place_of_another_is_not_given_out(tmp_path):
    filled(tmp_path).close()
    path = segments(tmp_path)[0]
    sealed = read_index(SystemFiles(), Segment(int(path.stem, 16), str(path)))
    rows = rows_of(sealed.streams[0].words)
    data = bytearray(path.read_bytes())
    one, two = (slice(row.offset + 60, row.offset + 60 + row.length) for row in rows[:2])
    data[one], data[two] = data[two], data[one]
    path.write_bytes(data)
    again = opened(tmp_path)
    for seq in (0, 1):
        with pytest.raises(Missing):
            again.block("vibration", "a", seq)
    assert again.block("vibration", "a", 2) == block(2)
