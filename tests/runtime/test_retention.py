"""Which segments go: the oldest, by age or bytes, and never one with blocks that are not synced."""

from atoll.runtime.catalog import Shard
from atoll.runtime.retention import segments_to_drop
from atoll.runtime.segment import Segment


def shard(*segments):
    one = Shard("d", 3, "/nowhere")
    for number, (size, newest_ms) in enumerate(segments, 1):
        segment = Segment(number, f"/nowhere/{number}")
        segment.size, segment.newest_ms = size, newest_ms
        one.segments.append(segment)
    return one


THREE = ((100, 1_000), (100, 2_000), (100, 3_000))


def test_nothing_goes_without_a_limit():
    assert segments_to_drop(shard(*THREE), set(), 0, 0, 10**9) == set()


def test_by_age_of_the_newest_block():
    assert segments_to_drop(shard(*THREE), set(), 1, 0, 2_500) == {1}
    assert segments_to_drop(shard(*THREE), set(), 1, 0, 10_000) == {1, 2, 3}


def test_by_bytes_but_not_the_last():
    assert segments_to_drop(shard(*THREE), set(), 0, 250, 0) == {1}
    assert segments_to_drop(shard(*THREE), set(), 0, 1, 0) == {1, 2}


def test_what_is_not_synced_stays_and_all_behind_it():
    assert segments_to_drop(shard(*THREE), {2}, 1, 0, 10_000) == {1}
