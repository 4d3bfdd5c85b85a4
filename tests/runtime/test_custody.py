from device_rig import block_of, info_of

from atoll.runtime import effects as do
from atoll.runtime import events as on
from atoll.runtime.custody import GIVEN_BYTES_MAX, GIVEN_MAX, OWN_BYTES_MAX, Custody
from atoll.runtime.desk import Desk
from atoll.runtime.fence import Fence
from atoll.runtime.live import LiveStreams
from atoll.wire import messages as wire
from atoll.wire.block import peek_block


def custody(grown=lambda streams, now: None):
    desk = Desk(Fence(7))
    return desk, Custody(desk, LiveStreams([info_of("pi/a", "machine")], 7), grown)


def sampled():
    return on.Sampled("machine", [("pi/a", b"abcd")], 2, 1, 2, 3, False)


def test_acting_shards():
    _, one = custody()
    one.shards = [wire.ShardEntry("d", 1, 0, 1, 0, 0), wire.ShardEntry("d", 2, 1, 1, 0, 0)]
    assert one.acting == {("d", 1)}


def test_samples_before_and_after_their_time_are_counted():
    desk, one = custody()
    one.sampled(sampled(), 0.0)
    one.streams_listed(on.StreamsListed("restore", []), 0.0)
    one.sampled(sampled(), 0.0)
    desk.draining = True
    one.sampled(sampled(), 0.0)
    assert desk.counters == {
        "samples before the store is open": 1,
        "samples after the end": 1,
    }
    one.close_live()
    assert not one.idle
    [store] = desk.taken()
    assert isinstance(store, do.StoreBlocks)
    one.blocks_stored(on.BlocksStored(None, [], []), 0.0)
    assert one.idle


def test_what_has_grown_is_told_once():
    told = []
    _, one = custody(lambda streams, now: told.append((streams, now)))
    held = [wire.HeldStream(info_of("a"), 3, [])]
    one.blocks_stored(on.BlocksStored(4, [], held), 5.0)
    one.blocks_stored(on.BlocksStored(4, [], []), 6.0)
    one.streams_listed(on.StreamsListed("inventory", held), 7.0)
    assert told == [(held, 5.0)]


def test_too_many_transfers_are_refused():
    desk, one = custody()
    ranges = [wire.BlockRange("d", "k", 0, 0)]
    for number in range(300):
        one.asked_for_blocks(wire.SendBlocks(1, 1, 1, number, ranges), 0.0)
    failed = [effect for effect in desk.taken() if isinstance(effect, do.Publish)]
    assert len(failed) == desk.counters["too many transfers"] == 44


def test_rot_is_told_by_a_list_now_and_then_and_when_somebody_listens():
    desk, one = custody()
    one.rot_found(on.RotFound(2), 5.0)
    one.run_due(5.0)
    lists = [do.ListStreams("inventory", "")]
    assert [effect for effect in desk.taken() if isinstance(effect, do.ListStreams)] == []
    desk.linked = True
    one.run_due(6.0)
    assert [effect for effect in desk.taken() if isinstance(effect, do.ListStreams)] == lists
    one.rot_found(on.RotFound(1), 7.0)
    one.run_due(7.0)
    assert [effect for effect in desk.taken() if isinstance(effect, do.ListStreams)] == []
    assert one.next_wakeup() <= 66.0
    one.run_due(66.0)
    assert [effect for effect in desk.taken() if isinstance(effect, do.ListStreams)] == lists
    assert desk.counters["blocks damaged"] == 3


def test_a_release_that_newer_blocks_have_overtaken_deletes_nothing():
    desk, one = custody()
    data = block_of(info_of("k", "d"), 0, 0, b"abcd", shard=3)
    one.given_blocks(wire.Blocks(1, 9, 1, 5, False, [data, b"no block"]), leased=True)
    desk.taken()
    ref = wire.ShardRef("d", 3)
    assert one.released(wire.Release(1, 8, 1, [ref])) == []
    assert (desk.taken(), desk.counters) == ([], {"stale release": 1})
    assert one.released(wire.Release(1, 9, 1, [ref])) == [ref]
    assert desk.taken() == [do.DeleteShards([ref])]


def test_given_shards_are_remembered_within_a_bound():
    _, one = custody()
    for shard in range(GIVEN_MAX + 5):
        data = block_of(info_of("k", "d"), 0, 0, b"abcd", shard=shard)
        one.given_blocks(wire.Blocks(1, 9, 1, 5, False, [data]), leased=True)
    assert len(one._given) == GIVEN_MAX


def test_blocks_of_others_are_bounded_while_they_wait_for_the_disk():
    desk, one = custody()
    data = bytes(60_000)
    took = 0
    for transfer in range(400):
        one.given_blocks(wire.Blocks(3, 5, 0, transfer, False, [data]), leased=True)
        took += any(isinstance(effect, do.StoreBlocks) for effect in desk.taken())
    assert took == -(-GIVEN_BYTES_MAX // len(data))
    assert desk.counters == {"blocks refused: disk too slow": 400 - took}
    one.blocks_stored(on.BlocksStored(0, [], []), 0.0)
    desk.taken()
    one.given_blocks(wire.Blocks(3, 5, 0, 999, False, [data]), leased=True)
    assert desk.taken() == [do.StoreBlocks(999, [data])]


def test_what_is_refused_is_said_to_the_gateway():
    desk, one = custody()
    one.given_blocks(wire.Blocks(3, 5, 0, 1, False, [bytes(GIVEN_BYTES_MAX)]), leased=True)
    desk.taken()
    one.given_blocks(wire.Blocks(3, 5, 0, 2, False, [b"x"]), leased=True)
    (publish,) = desk.taken()
    assert publish.message.transfer == 2
    assert publish.message.reason == f"disk too slow: {GIVEN_BYTES_MAX} bytes wait for it"


def test_own_samples_are_dropped_and_counted_while_the_disk_is_too_slow():
    desk, one = custody()
    one.streams_listed(on.StreamsListed("restore", []), 0.0)
    piece = on.Sampled("machine", [("pi/a", bytes(61_440))], 30_720, 1, 2, 3, False)
    stores = []
    for _ in range(400):
        one.sampled(piece, 0.0)
        stores += [effect for effect in desk.taken() if isinstance(effect, do.StoreBlocks)]
    waiting = sum(len(block) for store in stores for block in store.blocks)
    assert OWN_BYTES_MAX <= waiting < OWN_BYTES_MAX + 2 * 65_536
    dropped = desk.counters["samples dropped: disk too slow"]
    assert dropped == 30_720 * (400 - len(stores))
    for _ in stores:
        one.blocks_stored(on.BlocksStored(None, [], []), 0.0)
    desk.taken()
    one.sampled(piece, 0.0)
    [store] = [effect for effect in desk.taken() if isinstance(effect, do.StoreBlocks)]
    assert peek_block(store.blocks[0]).gap, "what comes next does not continue what was dropped"


def test_news_that_found_no_room_are_told_by_a_list():
    desk, one = custody()
    one.news_lost(on.NewsLost(), 0.0)
    assert desk.taken() == [do.ListStreams("inventory", "")]


def test_a_list_from_before_a_deletion_does_not_name_what_is_deleted():
    grown = []
    desk, one = custody(lambda streams, now: grown.append(streams))
    run = wire.BlockRun(0, 0, 0, 1, 0, False, 100)
    held = [wire.HeldStream(info_of(key), shard, [run]) for key, shard in (("a", 3), ("b", 4))]
    doomed = wire.ShardRef(held[0].info.dataset, 3)
    one.list_streams("inventory")
    one.list_streams("standing")
    one.released(wire.Release(1, 5, 1, [doomed]))
    one.list_streams("inventory")
    desk.taken()
    for purpose in ("inventory", "standing", "inventory"):
        one.streams_listed(on.StreamsListed(purpose, held), 1.0)
    told = [effect.message.streams for effect in desk.taken()]
    assert told == [held[1:], held], "the third list was asked for behind the deletion"
    assert grown == [held[1:]]
    one.list_streams("inventory")
    one.streams_listed(on.StreamsListed("inventory", held), 1.0)
    assert [effect.message.streams for effect in desk.taken()[1:]] == [held]
