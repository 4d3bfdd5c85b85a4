"""The disk in memory: what is there after a crash, and what it refuses."""

from random import Random

from atoll.sim.disk import Disk
from atoll.wire import messages as wire
from atoll.wire.block import Block, encode_block

INFO = wire.StreamInfo("v", "k", "i16", 1, 100.0, 1.0, "")


def block(seq, data=b"\1\0\2\0", *, gap=False):
    first = seq * len(data) // 2
    return encode_block(Block(INFO, 3, seq, first, len(data) // 2, 1, 0, 0, 0, gap, data))


def test_a_crash_keeps_a_prefix_of_what_was_asked():
    kept = set()
    for seed in range(40):
        disk = Disk()
        disk.pending = [(disk.store, [block(seq)]) for seq in range(3)]
        disk.crash(Random(seed))
        held = sorted(disk.blocks.get(("v", "k"), {}))
        assert held == list(range(len(held)))
        assert not disk.pending
        kept.add(len(held))
    assert kept == {0, 1, 2, 3}


def test_a_block_is_stored_once_and_never_changed():
    disk = Disk()
    refused, added, here = disk.store([block(0), block(0)])
    assert (refused, len(added), len(here)) == ([], 1, 2)
    refused, added, _ = disk.store([block(0, b"\7\0\7\0"), block(1)[:-1]])
    assert [refusal.index for refusal in refused] == [0, 1]
    assert added == []


def test_samples_are_read_across_blocks_or_not_at_all():
    disk = Disk()
    disk.store([block(0), block(1), block(3)])
    assert disk.samples(("v", "k"), 1, 4) == ("i16", 100.0, b"\2\0\1\0\2\0")
    assert disk.samples(("v", "k"), 3, 7) is None
    assert disk.samples(("v", "other"), 0, 1) is None


def test_lists_transfers_and_deletions():
    disk = Disk()
    disk.store([block(0), block(1)])
    (held,) = disk.streams("")
    assert (held.shard, [run[:2] for run in held.runs]) == (3, [(0, 1)])
    assert disk.streams("other") == []
    blocks, rest, failed = disk.message_of([wire.BlockRange("v", "k", 0, 1)])
    assert (blocks, rest, failed) == ([block(0)], [wire.BlockRange("v", "k", 1, 1)], "")
    assert "no block 9" in disk.message_of([wire.BlockRange("v", "k", 9, 9)])[2]
    disk.delete([wire.ShardRef("v", 2)])
    assert disk.byte_count == 2 * len(block(0))
    disk.delete([wire.ShardRef("v", 3)])
    assert disk.blocks == {}


def test_the_outbox_keeps_bytes():
    disk, message = Disk(), wire.Partials(1, 0, 0, 7, "q1", [])
    disk.append(7, message)
    assert (disk.read(7), disk.read(8)) == (message, None)
    disk.settle([wire.NumberSpan(0, 9)])
    assert disk.outbox == {}
