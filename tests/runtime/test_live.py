from device_rig import info_of

from atoll.runtime.events import Sampled
from atoll.runtime.live import LiveStreams, pinned_shard
from atoll.runtime.recorder import BLOCK_S
from atoll.wire.block import decode_block
from atoll.wire.messages import BlockRun, HeldStream

INFOS = [info_of("pi/a", "machine"), info_of("pi/b", "machine", "i32")]


def sampled(samples, count=2, dataset="machine"):
    return Sampled(dataset, samples, count, 1, 2, 3, False)


def test_pinned_shards_are_fixed_and_apart():
    assert pinned_shard("123456789") == 65_536 + 0xE3069283 % 2**31  # CRC-32C's check value
    assert pinned_shard("pi/a") != pinned_shard("pi/b")


def test_samples_reach_their_recorders():
    live = LiveStreams(INFOS, 7)
    closed, refused = live.push(sampled([("pi/a", b"abcd"), ("pi/b", b"abcdefgh")]), 1.0)
    assert (closed, refused) == ([], [])
    assert live.next_close() == 1.0 + BLOCK_S
    blocks = [decode_block(block) for block in live.tick(1.0 + BLOCK_S)]
    assert [(block.info.key, block.shard) for block in blocks] == [
        (key, pinned_shard(key)) for key in ("pi/a", "pi/b")
    ]
    assert live.next_close() is None


def test_what_fits_nowhere_is_refused():
    live = LiveStreams(INFOS, 7)
    samples = [("pi/c", b"abcd"), ("pi/b", b"abcd"), ("pi/a", b"abcd")]
    assert live.push(sampled(samples), 1.0)[1] == [
        "samples of an unknown stream",
        "samples of a wrong size",
    ]
    assert len(live.close()) == 1


def test_going_on_behind_what_is_stored():
    live = LiveStreams(INFOS, 7)
    live.cut(lambda dataset, rate_hz: [(5, 0)])
    runs = [BlockRun(0, 3, 0, 400, 0, False, 1), BlockRun(4, 9, 400, 70, 0, True, 1)]
    live.restore([HeldStream(INFOS[0], 65_999, runs), HeldStream(info_of("pi/x"), 1, runs)], [])
    live.push(sampled([("pi/a", b"abcd")]), 1.0)
    [block] = live.close()
    block = decode_block(block)
    assert (block.seq, block.first_sample, block.shard, block.gap) == (10, 470, 65_999, True)
