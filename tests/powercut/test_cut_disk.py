"""The simulated disk does to its files what it says: a harness is worth what its disk is."""

from random import Random

import pytest
from cut_disk import KEPT, KILLED, LOST, PREFIX, SECTORS, SHUFFLED, WAYS, CutDisk, PowerCut


def filled():
    disk = CutDisk()
    disk.make_directory("/d")
    handle = disk.open("/d/a", create=True)
    disk.append(handle, [b"synced"])
    disk.sync(handle)
    disk.sync_directory("/d")
    disk.append(handle, [b"-and-", b"not"])
    disk.under_way = None
    return disk, handle


def content(disk, path="/d/a"):
    handle = disk.open(path)
    return disk.read(handle, 1 << 20, 0)


def outcomes(disk, way, rounds=300):
    return {content(disk.after_cut(way, Random(seed))) for seed in range(rounds)}


def test_what_was_synced_stays_in_every_way():
    disk, _ = filled()
    for way in WAYS:
        for seed in range(50):
            assert content(disk.after_cut(way, Random(seed))).startswith(b"synced")


def test_what_was_not_synced():
    disk, _ = filled()
    whole = b"synced-and-not"
    assert outcomes(disk, LOST) == {b"synced"}
    assert outcomes(disk, KEPT) == outcomes(disk, KILLED) == {whole}
    assert outcomes(disk, PREFIX) == {whole[:size] for size in range(6, len(whole) + 1)}
    assert {b"synced", whole, b"synced" + bytes(8)} < outcomes(disk, SHUFFLED)
    assert outcomes(disk, SECTORS) == {b"synced", whole}


def test_names_need_their_folder_synced():
    disk, handle = filled()
    disk.sync(handle)
    disk.rename("/d/a", "/d/b")
    disk.under_way = None
    assert disk.after_cut(LOST, Random(1)).names("/d") == ["a"]
    assert disk.after_cut(KEPT, Random(1)).names("/d") == ["b"]
    disk.sync_directory("/d")
    assert disk.after_cut(LOST, Random(1)).names("/d") == ["b"]
    disk.remove("/d/b")
    disk.under_way = None
    assert disk.after_cut(LOST, Random(1)).names("/d") == ["b"]


def test_a_killed_process_leaves_its_changes_unsynced():
    disk, _ = filled()
    killed = disk.after_cut(KILLED, Random(1))
    assert content(killed) == b"synced-and-not"
    assert content(killed.after_cut(LOST, Random(1))) == b"synced"


def test_a_cut_in_an_operation_tears_it():
    disk, handle = filled()
    disk.cut_at = disk.operations + 1
    with pytest.raises(PowerCut):
        disk.append(handle, [b"0123456789"])
    found = outcomes(disk, PREFIX, 2_000)
    assert {b"synced-and-not" + b"0123456789"[:size] for size in range(1, 11)} < found


def test_the_original_is_left_as_it_was():
    disk, handle = filled()
    copy = disk.after_cut(KILLED, Random(1))
    other = copy.open("/d/a")
    copy.append(other, [b"more"])
    copy.remove("/d/a")
    assert disk.read(handle, 99, 0) == b"synced-and-not"
    assert disk.names("/d") == ["a"]
