import os

import pytest

from atoll.runtime.effects import State
from atoll.runtime.errors import StoreError
from atoll.runtime.files import SystemFiles
from atoll.runtime.state import load, save
from atoll.wire.messages import DatasetEntry, Mark, ShardEntry, Standing

FILES = SystemFiles()


def some_state():
    shards = [ShardEntry("vibration", number, number % 2, 9, 60, 0) for number in range(1_500)]
    marks = [Mark("k" * 100 + str(number), number) for number in range(256)]
    orders = [Standing(2, 9, 4, f"job-{n}", b"p" * 8_000 * n, "d", 64, 0, marks) for n in (1, 2)]
    return State(7, 2, 9, 4, shards, orders)


def test_a_new_device_has_none(tmp_path):
    assert load(FILES, str(tmp_path)) == State(0, 0, 0, 0, [], [])


def test_it_comes_back(tmp_path):
    state = some_state()
    save(FILES, str(tmp_path), State(1, 1, 1, 1, [], []))
    written = save(FILES, str(tmp_path), state)
    assert written == os.stat(tmp_path / "state").st_size
    found = load(FILES, str(tmp_path))
    assert found[:5] == state[:5]
    for order in state.orders:
        parts = [part for part in found.orders if part.job == order.job]
        assert [mark for part in parts for mark in part.marks] == order.marks
        assert all(part._replace(marks=order.marks) == order for part in parts)


def test_damage_is_told_and_not_guessed_at(tmp_path):
    save(FILES, str(tmp_path), some_state())
    path = tmp_path / "state"
    good = path.read_bytes()
    for at in (3, 20, 90, len(good) - 1):
        data = bytearray(good)
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(StoreError, match="state"):
            load(FILES, str(tmp_path))
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(StoreError):
        load(FILES, str(tmp_path))


def test_a_save_that_was_cut_off_leaves_the_old_state(tmp_path):
    save(FILES, str(tmp_path), State(3, 1, 1, 1, [], []))
    (tmp_path / "state.new").write_bytes(b"half")
    assert load(FILES, str(tmp_path)).boot == 3
    save(FILES, str(tmp_path), State(4, 1, 1, 1, [], []))
    assert load(FILES, str(tmp_path)).boot == 4
    assert sorted(os.listdir(tmp_path)) == ["state"]


def test_datasets_come_back_and_a_state_without_them_is_read(tmp_path):
    datasets = [DatasetEntry(f"d{n}", 64, 2, 60, 10**9, 5) for n in range(600)]
    save(FILES, str(tmp_path), some_state()._replace(datasets=datasets))
    assert load(FILES, str(tmp_path)) == some_state()._replace(datasets=datasets)
    save(FILES, str(tmp_path), some_state())
    assert load(FILES, str(tmp_path)) == some_state()


def test_the_terms_of_the_epochs_come_back(tmp_path):
    saved = some_state()._replace(map_term=1, lease_term=2)
    save(FILES, str(tmp_path), saved)
    assert load(FILES, str(tmp_path)) == saved
    bare = State(7, 5, 9, 4, [], [], [], 3, 2)
    save(FILES, str(tmp_path), bare)
    assert load(FILES, str(tmp_path)) == bare
