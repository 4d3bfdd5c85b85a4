import pytest
from failing_disk import FailingDisk

from atoll.runtime.frame import FILE_HEADER, FRAME, Frame, file_header, record_bytes
from atoll.runtime.segment import Segment, append, body_is_good, scan
from atoll.wire.block import crc32c

DISK = FailingDisk()


def body(seq):
    data = bytes([seq % 256]) * (90 + seq % 40)
    return data + crc32c(data).to_bytes(4, "little")


def frame(seq, segment):
    data = body(seq)
    crc = int.from_bytes(data[-4:], "little")
    return Frame(len(data), 0, crc, 10, 80, seq, seq * 10, 0, segment.synced)


@pytest.fixture
def segment(tmp_path):
    one = Segment(5, str(tmp_path / "00000005.seg"))
    one.handle = DISK.open(one.path, create=True)
    one.size = DISK.append(one.handle, (file_header(),))
    return one


def write(segment, seqs, *, sync=True):
    offsets = [append(DISK, segment, frame(seq, segment), body(seq)) for seq in seqs]
    if sync:
        segment.synced = segment.size
    return offsets


def rescan(segment):
    return scan(DISK, segment.handle, segment.number, segment.path)


def seqs(result):
    return [one.frame.seq for one in result.found]


def overwrite(segment, offset, data):
    with open(segment.path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def test_records_are_found_again(segment):
    offsets = write(segment, range(9))
    result = rescan(segment)
    assert seqs(result) == list(range(9))
    assert [one.offset for one in result.found] == offsets
    assert (result.end, result.torn_bytes, result.damaged) == (segment.size, 0, 0)


def test_garbage_behind_the_last_record_is_torn(segment):
    write(segment, range(3))
    DISK.append(segment.handle, (b"\xa7ATR" + bytes(300),))
    result = rescan(segment)
    assert (seqs(result), result.end, result.torn_bytes) == ([0, 1, 2], segment.size, 304)


def test_damage_is_passed_over_to_the_next_record(segment):
    offsets = write(segment, range(6))
    overwrite(segment, offsets[2] + 8, b"\xff\xff\xff\xff")
    overwrite(segment, offsets[3] + 40, b"\xff")
    result = rescan(segment)
    assert seqs(result) == [0, 1, 4, 5]
    assert (result.damaged, result.torn_bytes) == (1, 0)  # one stretch


def test_a_large_hole_is_passed_over(segment):
    write(segment, [0])
    start = segment.size
    write(segment, range(1, 1_500))
    end = segment.size
    write(segment, [1_500])
    assert end - start > 2 * 65_536
    overwrite(segment, start, bytes(end - start))
    assert seqs(rescan(segment)) == [0, 1_500]


def test_a_record_moved_to_another_place_is_none(segment):
    offsets = write(segment, [7, 7, 7])
    with open(segment.path, "rb") as file:
        data = file.read()
    size = record_bytes(len(body(7)))
    overwrite(segment, offsets[1], data[offsets[2] : offsets[2] + size])
    assert [one.offset for one in rescan(segment).found] == [offsets[0], offsets[2]]
    assert scan(DISK, segment.handle, 6, segment.path).found == []


def test_what_may_not_be_synced_is_read_and_checked(segment):
    write(segment, range(3))
    offsets = write(segment, range(3, 6), sync=False)
    overwrite(segment, offsets[1] + FRAME.size, bytes(20))
    result = rescan(segment)
    assert (seqs(result), result.damaged) == ([0, 1, 2, 3, 5], 1)
    overwrite(segment, offsets[2] + FRAME.size, bytes(20))
    result = rescan(segment)
    assert seqs(result) == [0, 1, 2, 3]
    assert result.end == offsets[1]
    assert result.torn_bytes == segment.size - offsets[1]


def test_what_was_synced_is_not_read_at_opening(segment):
    """Opening takes time by blocks and not by bytes; rot is found by the reader's checksum."""
    offsets = write(segment, range(3))
    write(segment, [3])
    overwrite(segment, offsets[0] + FRAME.size, bytes(20))
    assert seqs(rescan(segment)) == [0, 1, 2, 3]


@pytest.mark.parametrize("size", range(FILE_HEADER.size))
def test_a_torn_header_is_an_empty_file(segment, size):
    DISK.truncate(segment.handle, size)
    assert rescan(segment) == ([], 0, size, 0)


def test_a_failed_append_leaves_the_file_as_it_was(segment):
    write(segment, range(2))
    disk = FailingDisk(room=100)
    with pytest.raises(OSError, match="No space"):
        append(disk, segment, frame(2, segment), body(2))
    assert DISK.size(segment.handle) == segment.size
    assert not segment.broken
    disk.truncate_fails, disk.room = True, 100
    with pytest.raises(OSError, match="No space"):
        append(disk, segment, frame(2, segment), body(2))
    assert segment.broken


def test_bodies():
    assert body_is_good(body(3), int.from_bytes(body(3)[-4:], "little"))
    assert not body_is_good(body(3), 5)
    assert not body_is_good(b"", 0)
    damaged = bytearray(body(3))
    damaged[9] ^= 1
    assert not body_is_good(bytes(damaged), int.from_bytes(body(3)[-4:], "little"))


def test_stream_numbers(segment):
    one, two = object(), object()
    assert [segment.stream_number(stream) for stream in (one, two, one)] == [0, 1, 0]
    segment.seal()
    assert segment.stream_number(one) == 2
