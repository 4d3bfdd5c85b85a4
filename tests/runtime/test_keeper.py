import queue
import threading

import pytest
from device_rig import block_of, info_of
from failing_disk import FailingDisk

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.effects import State
from atoll.runtime.files import SystemFiles
from atoll.runtime.health import HealthReader
from atoll.runtime.keeper import BLOCKS_BYTES, Keeper, StateSaved
from atoll.runtime.outbox import Outbox
from atoll.runtime.scrub import PASS_S, Scrubber
from atoll.runtime.state import load
from atoll.runtime.store import Store
from atoll.wire.codec import encode
from atoll.wire.messages import BlockRange, NumberSpan, Partials, Result, ShardEntry, ShardRef

A = info_of("a")


class Rig:
    def __init__(self, path, *, commit_s=0.05, scrub_s=PASS_S):
        self.disk = FailingDisk()
        self.root = str(path)
        self.store = Store(self.root, self.disk, reserve_bytes=0)
        self.outbox = Outbox(self.root, self.disk)
        health = HealthReader(self.root)
        self.keeper = Keeper(
            self.root, self.disk, self.store, self.outbox, health, commit_s=commit_s,
            scrubber=Scrubber(self.store, pass_s=scrub_s, shortest_s=0.001),
        )  # fmt: skip
        self.events = queue.SimpleQueue()
        self.keeper.start(self.events.put)

    def ask(self, *effects):
        for effect in effects:
            self.keeper.ask(effect)

    def event(self):
        return self.events.get(timeout=10)


@pytest.fixture
def rig(tmp_path):
    one = Rig(tmp_path)
    yield one
    one.keeper.close()


def block(seq, size=200):
    return block_of(A, seq, seq * size // 2, bytes(size))


def test_one_sync_acknowledges_many_requests(rig):
    before = rig.disk.syncs
    rig.ask(*(do.StoreBlocks(number, [block(number)]) for number in range(20)))
    answers = [rig.event() for _ in range(20)]
    assert [answer.transfer for answer in answers] == list(range(20))
    assert all(len(answer.added) == 1 and not answer.refused for answer in answers)
    assert rig.disk.syncs - before <= 3


def test_refusals_name_the_block(rig):
    rig.ask(do.StoreBlocks(1, [block(0), b"no block", block(1), block(0)]))
    answer = rig.event()
    assert [(one.index, "no block" in one.reason) for one in answer.refused] == [(1, True)]
    assert [(run.first_seq, run.last_seq) for run in answer.added[0].runs] == [(0, 0), (1, 1)]
    rig.ask(do.StoreBlocks(2, [block(0)]))
    assert rig.event() == on.BlocksStored(2, [], [])


def test_a_block_that_comes_twice_before_the_sync_is_answered_twice(rig):
    rig.ask(do.StoreBlocks(1, [block(0)]), do.StoreBlocks(2, [block(0)]))
    assert [rig.event().refused, rig.event().refused] == [[], []]


def test_a_sync_that_fails_refuses_all_that_rested_on_it(rig):
    rig.disk.sync_fails = True
    rig.ask(do.StoreBlocks(1, [block(0)]), do.StoreBlocks(2, [block(0)]))
    for answer in (rig.event(), rig.event()):
        assert "sync failed" in answer.refused[0].reason
        assert answer.added == []
    rig.disk.sync_fails = False
    rig.ask(do.StoreBlocks(3, [block(0)]))
    assert rig.event().refused == []


def test_a_full_disk_is_refused_and_recovers(rig):
    rig.disk.room = 100
    rig.ask(do.StoreBlocks(1, [block(0)]))
    assert rig.event().refused[0].reason.startswith("disk full: ")
    rig.disk.room = None
    rig.ask(do.StoreBlocks(2, [block(0)]))
    assert rig.event().refused == []


def test_blocks_are_read_a_message_at_a_time(rig):
    rig.ask(do.StoreBlocks(1, [block(seq, 20_000) for seq in range(8)]))
    rig.event()
    ranges, sent = [BlockRange("vibration", "a", 0, 5), BlockRange("vibration", "a", 7, 7)], []
    while ranges:
        rig.ask(do.ReadBlocks(9, ranges))
        answer = rig.event()
        assert answer.failed == ""
        assert sum(map(len, answer.blocks)) <= BLOCKS_BYTES
        sent += answer.blocks
        ranges = answer.rest
    assert sent == [block(seq, 20_000) for seq in (0, 1, 2, 3, 4, 5, 7)]
    rig.ask(do.ReadBlocks(9, [BlockRange("vibration", "a", 7, 8)]))
    assert rig.event().rest == [BlockRange("vibration", "a", 8, 8)]
    rig.ask(do.ReadBlocks(9, [BlockRange("vibration", "a", 8, 8)]))
    assert "block 8 is not here" in rig.event().failed


def test_lists_deletions_and_retention(rig):
    rig.ask(do.StoreBlocks(1, [block(0)]))
    rig.event()
    rig.ask(do.ListStreams("inventory", ""), do.ListStreams("standing", "sound"))
    assert [held.info for held in rig.event().streams] == [A]
    assert rig.event() == on.StreamsListed("standing", [])
    rig.ask(do.Retain([ShardEntry("vibration", 3, 0, 1, 1, 0)]), do.ListStreams("x", ""))
    dropped = rig.event()
    assert dropped.blocks == 1
    assert [past.key for past in dropped.pasts] == ["a"]
    assert rig.event().streams == []
    rig.ask(do.StoreBlocks(2, [block(0)]))
    rig.event()
    rig.ask(do.DeleteShards([ShardRef("vibration", 3)]), do.ListStreams("x", ""))
    assert rig.event().streams == []


def test_a_durable_message_is_answered_after_the_sync(rig):
    message = Partials(1, 1, 1, 9, "job", [])
    before = rig.disk.syncs
    rig.ask(do.AppendOutbox(9, encode(message), True), do.ReadOutbox(9))
    assert rig.event() == on.OutboxRead(9, message)
    assert rig.event() == on.OutboxWritten(9, "")
    assert rig.disk.syncs == before + 1
    rig.ask(do.SettleOutbox([NumberSpan(9, 9)]), do.ReadOutbox(9))
    assert rig.event() == on.OutboxRead(9, None)


def test_a_durable_message_that_does_not_fit_is_told(rig):
    rig.disk.room = 10
    rig.ask(do.AppendOutbox(9, bytes(100), True))
    answer = rig.event()
    assert answer.number == 9
    assert "No space left" in answer.failed
    rig.disk.room = None


def test_a_result_larger_than_a_message_comes_back(rig):
    big = Partials(1, 1, 1, 9, "job", [Result("k", 0, False, bytes(300_000), 1)])
    rig.ask(do.AppendOutbox(9, encode(big), False), do.ReadOutbox(9))
    assert rig.event().message == big


def test_a_message_of_a_query_needs_no_sync(rig):
    before = rig.disk.syncs
    rig.ask(do.AppendOutbox(9, encode(Partials(1, 1, 1, 9, "job", [])), False), do.ReadOutbox(9))
    assert rig.event().message.number == 9
    assert rig.disk.syncs == before


def test_the_state_is_on_disk_when_it_is_said_to_be(rig):
    state = State(3, 2, 1, 1, [], [])
    rig.ask(do.SaveState(state))
    assert isinstance(rig.event(), StateSaved)
    assert load(rig.disk, rig.root) == state


def test_a_state_that_cannot_be_saved_holds_everything_back(rig, monkeypatch):
    monkeypatch.setattr("atoll.runtime.keeper.RETRY_S", 0.05)
    rig.disk.room = 5
    rig.ask(do.SaveState(State(3, 2, 1, 1, [], [])), do.MeasureHealth())
    with pytest.raises(queue.Empty):
        rig.events.get(timeout=0.2)
    assert "cannot be saved" in rig.keeper.trouble
    rig.disk.room = None
    assert isinstance(rig.event(), StateSaved)
    assert rig.keeper.trouble == ""
    assert rig.event().health.storage_free_bytes > 0


def test_closing_serves_what_is_queued(tmp_path):
    one = Rig(tmp_path, commit_s=30.0)
    one.ask(do.StoreBlocks(1, [block(0)]))
    one.keeper.close()
    assert one.event().refused == []
    assert one.keeper.bytes_written > 200


def test_rot_is_found_by_scrubbing_and_told(tmp_path):
    filled = Store(str(tmp_path), FailingDisk(), reserve_bytes=0)
    for seq in range(3):
        filled.stage(block(seq), 1)
    filled.close()
    [path] = tmp_path.rglob("*.seg")
    data = bytearray(path.read_bytes())
    data[-50] ^= 1  # in the last block
    path.write_bytes(data)
    rig = Rig(tmp_path, scrub_s=0.01)
    try:
        assert rig.event() == on.RotFound(1)
        rig.ask(do.ListStreams("inventory", ""))
        [held] = rig.event().streams
        assert [(run.first_seq, run.last_seq) for run in held.runs] == [(0, 1)]
        rig.ask(do.StoreBlocks(9, [block(2)]))  # the copy from a replica
        assert rig.event().refused == []
        assert rig.store.block("vibration", "a", 2) == block(2)
    finally:
        rig.keeper.close()


def test_a_state_does_not_wait_behind_blocks(tmp_path):
    done, gate = [], threading.Event()

    class Slow(SystemFiles):
        def append(self, handle, pieces):
            gate.wait(20)
            done.append("append")
            return super().append(handle, pieces)

        def rename(self, source, target):
            done.append("state")
            super().rename(source, target)

    files = Slow()
    store, outbox = Store(str(tmp_path), files, reserve_bytes=0), Outbox(str(tmp_path), files)
    keeper = Keeper(str(tmp_path), files, store, outbox, HealthReader(str(tmp_path)), commit_s=0.05)
    saved = threading.Event()
    keeper.start(lambda event: saved.set() if isinstance(event, StateSaved) else None)
    for seq in range(20):
        keeper.ask(do.StoreBlocks(seq, [block(seq)]))
    keeper.ask(do.SaveState(do.State(1, 1, 1, 1, [], [])))
    gate.set()
    assert saved.wait(20)
    keeper.close()
    # At most the block at hand (with its segment's head) and the state's own bytes come before it.
    assert done.index("state") <= 4
    assert done.count("append") >= 21
