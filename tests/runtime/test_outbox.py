import pytest
from failing_disk import FailingDisk

from atoll.runtime.errors import Refused
from atoll.runtime.files import SystemFiles
from atoll.runtime.outbox import SLACK_BYTES, Outbox


def opened(path, files=None, **more):
    return Outbox(str(path), files or SystemFiles(), **more)


def message(number):
    return bytes([number % 251]) * (20 + number % 30)


def test_messages_stay_until_they_are_settled(tmp_path):
    box = opened(tmp_path)
    for number in (3, 5, 9):
        box.append(number, message(number))
    assert box.numbers() == [3, 5, 9]
    assert box.read(5) == message(5)
    assert box.settle(4, 9) == 2
    assert box.read(5) is None
    assert box.numbers() == [3]
    assert box.settle(0, 2**64 - 1) == 1
    assert len(box) == 0


def test_what_was_not_settled_is_there_after_a_restart(tmp_path):
    box = opened(tmp_path, file_bytes=500)
    for number in range(40):
        box.append(number, message(number))
    box.settle(0, 29)
    box.sync()
    again = opened(tmp_path, file_bytes=500)
    assert set(range(30, 40)) <= set(again.numbers())
    assert all(again.read(number) == message(number) for number in again.numbers())
    assert len(list((tmp_path / "outbox").iterdir())) <= 4
    again.settle(0, 39)
    again.close()
    assert not opened(tmp_path).numbers()


def test_a_tail_torn_at_any_byte(tmp_path):
    box = opened(tmp_path)
    for number in (1, 2):
        box.append(number, message(number))
    [path] = (tmp_path / "outbox").iterdir()
    kept = path.stat().st_size
    box.append(3, message(3))
    written = path.read_bytes()
    for size in range(kept, len(written)):
        path.write_bytes(written[:size])
        again = opened(tmp_path)
        assert again.numbers() == [1, 2]
        assert again.torn == (size > kept)
        again.append(4, message(4))
        for box in (again, opened(tmp_path)):
            assert [box.read(number) for number in (1, 2, 4)] == [*map(message, (1, 2, 4))]


def test_damage_is_never_sent(tmp_path):
    box = opened(tmp_path)
    box.append(1, message(1))
    [path] = (tmp_path / "outbox").iterdir()
    data = bytearray(path.read_bytes())
    data[25] ^= 4
    path.write_bytes(data)
    assert box.read(1) is None
    assert opened(tmp_path).numbers() == []


def test_a_full_outbox_refuses(tmp_path):
    box = opened(tmp_path, bytes_max=950)
    for number in range(18):
        box.append(number, message(number))
    assert 930 < box.size_bytes <= 950
    with pytest.raises(Refused, match="outbox full: 18 messages"):
        box.append(99, message(99))
    box.settle(0, 100)
    assert len(box) == 0


def test_a_full_disk_refuses_and_keeps(tmp_path):
    disk = FailingDisk(room=150)
    box = opened(tmp_path, disk)
    count = 3
    for number in range(count):
        box.append(number, message(number))
    with pytest.raises(Refused, match="outbox: No space left"):
        box.append(count, message(count))
    disk.room = None
    box.append(20, message(20))
    box.sync()
    assert opened(tmp_path).numbers() == [*range(count), 20]


def test_the_file_in_use_is_cut_back(tmp_path):
    box = opened(tmp_path)
    big = bytes(SLACK_BYTES // 4)
    for number in range(5):
        box.append(number, big)
    [path] = (tmp_path / "outbox").iterdir()
    box.settle(0, 4)
    assert path.stat().st_size == 0
    box.append(7, big)
    box.sync()
    assert opened(tmp_path).read(7) == big


def test_a_sync_costs_nothing_when_nothing_is_new(tmp_path):
    disk = FailingDisk()
    box = opened(tmp_path, disk)
    box.append(1, message(1))
    box.sync()
    before = disk.syncs
    box.sync()
    assert disk.syncs == before == 1


def test_a_file_that_could_not_be_cut_back_is_not_written_again(tmp_path):
    disk = FailingDisk(room=60)
    box = opened(tmp_path, disk)
    box.append(1, message(1))
    disk.truncate_fails = True
    with pytest.raises(Refused, match="No space left"):
        box.append(2, message(2))
    disk.room = None
    box.append(3, message(3))
    assert [box.read(number) for number in box.numbers()] == [message(1), message(3)]
    disk.truncate_fails = False
    again = opened(tmp_path)
    assert [again.read(number) for number in again.numbers()] == [message(1), message(3)]
    assert again.torn == 1


def test_a_failed_sync_is_told_and_not_tried_again(tmp_path):
    disk = FailingDisk()
    box = opened(tmp_path, disk)
    box.append(1, message(1))
    disk.sync_fails = True
    assert box.sync() == {1: "outbox: sync failed: Input/output error"}
    disk.sync_fails = False
    assert box.sync() == {}
    box.append(2, message(2))
    assert box.sync() == {}
    assert len(list((tmp_path / "outbox").iterdir())) == 2


def test_damage_takes_no_other_message_along(tmp_path):
    box = opened(tmp_path)
    for number in range(5):
        box.append(number, message(number))
    [path] = (tmp_path / "outbox").iterdir()
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    again = opened(tmp_path)
    assert again.numbers() == [0, 2, 3, 4]
    assert (again.damaged, again.torn) == (1, 0)
    assert all(again.read(number) == message(number) for number in again.numbers())


def test_a_file_cut_off_where_a_record_ends_is_noticed(tmp_path):
    box = opened(tmp_path, file_bytes=500)
    for number in range(40):
        box.append(number, message(number))
    box.close()
    again = opened(tmp_path, file_bytes=500)
    assert (again.damaged, again.unclean, len(again)) == (0, False, 40)
    again.close()
    first, *_, last = sorted((tmp_path / "outbox").iterdir())
    first.write_bytes(first.read_bytes()[: (20 + len(message(0)) + 7) & ~7])
    last.write_bytes(last.read_bytes()[:-24])
    again = opened(tmp_path, file_bytes=500)
    assert (again.damaged, again.unclean, again.torn) == (1, True, 0)


def test_a_killed_outbox_is_not_closed_cleanly(tmp_path):
    opened(tmp_path).append(1, message(1))
    assert opened(tmp_path).unclean
