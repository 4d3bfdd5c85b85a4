import threading

import pytest
from device_rig import block_of, info_of

from atoll.runtime.catalog import Catalog, Handles
from atoll.runtime.errors import StoreError
from atoll.runtime.files import SystemFiles
from atoll.runtime.recovery import recover
from atoll.runtime.store import Store

FILES = SystemFiles()


def recovered(path):
    catalog = Catalog(f"{path}/shards")
    found = recover(FILES, catalog, Handles(FILES, threading.Lock()))
    return found, catalog


def filled(path, shards=3):
    store = Store(str(path), FILES, reserve_bytes=0)
    for shard in range(shards):
        for seq in range(4):
            store.stage(block_of(info_of(f"k{shard}"), seq, seq * 5, bytes(10), shard=shard), 1)
        store.commit()
    store.close()


def test_an_empty_folder(tmp_path):
    assert recovered(tmp_path)[0] == (0, 0, 0, 0)


def test_numbers_go_on_behind_the_highest(tmp_path):
    filled(tmp_path)
    found, catalog = recovered(tmp_path)
    assert found.blocks == 12
    assert catalog.next_segment == 4
    assert sorted(shard for _, shard in catalog.shards) == [0, 1, 2]


def test_what_is_none_of_ours_is_left_alone(tmp_path):
    filled(tmp_path)
    folder = tmp_path / "shards" / "vibration"
    (folder / "lost+found").mkdir()
    (folder / "0" / "notes.txt").write_text("mine")
    assert recovered(tmp_path)[0].blocks == 12
    assert (folder / "0" / "notes.txt").exists()


def test_a_segment_of_another_shard_is_not_believed(tmp_path):
    filled(tmp_path)
    folder = tmp_path / "shards" / "vibration"
    (folder / "2" / "00000003.seg").rename(folder / "1" / "00000003.seg")
    found, catalog = recovered(tmp_path)
    assert (found.blocks, found.damaged) == (8, 4)
    assert {key for _, key in catalog.streams} == {"k0", "k1"}


def test_a_segment_under_another_number_is_not_believed(tmp_path):
    filled(tmp_path)
    folder = tmp_path / "shards" / "vibration"
    (folder / "2" / "00000003.seg").rename(folder / "2" / "00000009.seg")
    assert recovered(tmp_path)[0].blocks == 8


def test_what_cannot_be_read_is_named(tmp_path):
    filled(tmp_path)
    path = tmp_path / "shards" / "vibration" / "1" / "zzz.seg"
    path.write_bytes(b"")
    with pytest.raises(StoreError, match=r"1/zzz.seg cannot be read"):
        recovered(tmp_path)


def test_a_damaged_description_names_no_other_stream(tmp_path):
    filled(tmp_path, 1)
    [path] = (tmp_path / "shards").rglob("*.seg")
    path.with_suffix(".idx").unlink()
    data = bytearray(path.read_bytes())
    data[data.index(b"k0") + 1] ^= 1  # k1
    path.write_bytes(data)
    found, catalog = recovered(tmp_path)
    assert (found.blocks, found.damaged) == (3, 1)
    assert {key for _, key in catalog.streams} == {"k0"}
