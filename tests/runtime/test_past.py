"""What a store remembers of blocks that it has let go: across restarts, and whatever is on disk."""

import pytest
from device_rig import block_of, info_of

from atoll.runtime.files import SystemFiles
from atoll.runtime.past import NAME, UNKNOWN, let_go_messages, read_pasts, write_pasts
from atoll.runtime.store import Store
from atoll.wire.codec import encode
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.messages import Past

A = info_of("a")
FILES = SystemFiles()


def opened(path):
    return Store(str(path), FILES, reserve_bytes=0, segment_bytes=2_000)


def fill(store, first, last, *, gaps=()):
    for seq in range(first, last):
        data = bytes(200)
        wall_ms = seq * 1_000
        assert store.stage(
            block_of(A, seq, seq * 100, data, gap=seq in gaps, wall_ms=wall_ms), 1_000
        )
        store.commit()


def test_nothing_let_go_is_nothing_remembered(tmp_path):
    store = opened(tmp_path)
    fill(store, 0, 30)
    assert store.pasts() == []
    assert store.retain("vibration", 3, 10**6, 10**9, 30_000) == 0
    assert not list(tmp_path.rglob(NAME))


@pytest.mark.parametrize("again", [False, True])
def test_where_the_windows_are_counted_from_and_what_comes_next(tmp_path, again):
    store = opened(tmp_path)
    fill(store, 0, 30, gaps=(4,))
    assert store.retain("vibration", 3, 15, 0, 30_000) > 4
    if again:
        store.close()
        store = opened(tmp_path)
    (past,) = store.pasts()
    first = store.streams()[0].runs[0]
    assert past == Past("vibration", "a", 400, first.first_seq, first.first_sample, 30, 3_000)
    assert store.retain("vibration", 3, 8, 0, 30_000) > 0
    assert store.pasts()[0].anchor == 400, "it is not forgotten with the block that told it"


def test_a_stream_from_its_first_block_on_is_counted_from_there(tmp_path):
    store = opened(tmp_path)
    fill(store, 0, 30)
    store.retain("vibration", 3, 15, 0, 30_000)
    assert store.pasts()[0].anchor == 0


def test_a_copy_of_the_end_only_does_not_know(tmp_path):
    store = opened(tmp_path)
    fill(store, 50, 80)
    store.retain("vibration", 3, 15, 0, 80_000)
    assert store.pasts()[0].anchor == UNKNOWN


def test_a_stream_that_is_gone_whole_still_has_its_next_number(tmp_path):
    store = opened(tmp_path)
    fill(store, 0, 10)
    assert store.retain("vibration", 3, 1, 0, 10**9) == 10
    store.close()
    store = opened(tmp_path)
    assert store.streams() == []
    (past,) = store.pasts()
    assert (past.first_seq, past.first_sample) == (10, 1_000)
    assert (past.next_seq, past.next_sample) == (10, 1_000)


def test_a_deleted_shard_is_forgotten_with_its_folder(tmp_path):
    store = opened(tmp_path)
    fill(store, 0, 30)
    store.retain("vibration", 3, 15, 0, 30_000)
    store.delete("vibration", 3)
    assert store.pasts() == []
    assert not (tmp_path / "shards" / "vibration" / "3").exists()


def test_blocks_stay_where_it_cannot_be_remembered(tmp_path):
    class NoRename(SystemFiles):
        def rename(self, source, target):
            raise OSError(28, "No space left on device")

    store = Store(str(tmp_path), NoRename(), reserve_bytes=0, segment_bytes=2_000)
    fill(store, 0, 30)
    assert store.retain("vibration", 3, 15, 0, 30_000) == 0
    assert store.streams()[0].runs[0].first_seq == 0


@pytest.mark.parametrize("damage", [b"", b"1234567", b"\0" * 100])
def test_a_damaged_file_is_as_none(tmp_path, damage):
    (tmp_path / NAME).write_bytes(damage)
    assert read_pasts(FILES, str(tmp_path)) == {}
    pasts = [Past("d", f"k{n}", n, n, n, n, n) for n in range(500)]
    write_pasts(FILES, str(tmp_path), pasts)
    assert list(read_pasts(FILES, str(tmp_path)).values()) == pasts
    data = bytearray((tmp_path / NAME).read_bytes())
    data[50] ^= 4
    (tmp_path / NAME).write_bytes(data)
    assert read_pasts(FILES, str(tmp_path)) == {}


def test_messages_fit():
    pasts = [Past("d" * 64, "k" * 128, *[2**64 - 1] * 5)] * 1_000
    messages = let_go_messages((2**32 - 1, 2**63, 2**32 - 1), pasts)
    assert all(len(encode(message)) <= MESSAGE_BYTES_MAX for message in messages)
    assert [past for message in messages for past in message.pasts] == pasts
