"""Which segments of a shard go, by age and bytes, and what is remembered of what was in them."""

from atoll.runtime.catalog import Shard
from atoll.runtime.past import past_of
from atoll.wire.messages import Past


def segments_to_drop(
    shard: Shard, staged: set[int], keep_s: int, keep_bytes: int, now_ms: int
) -> set[int]:
    """The oldest segments that are too old or too much (0: keep), by number.

    The segment that is written to stays until it is full or an hour old, unless all in it is too
    old; one with `staged` blocks stays, and all behind it.
    """
    total = sum(segment.size for segment in shard.segments)
    old: set[int] = set()
    for segment in shard.segments:
        too_old = keep_s and segment.newest_ms < now_ms - keep_s * 1_000
        too_big = keep_bytes and total > keep_bytes and segment is not shard.segments[-1]
        if segment.number in staged or not (too_old or too_big):
            break
        total -= segment.size
        old.add(segment.number)
    return old


def remembered(shard: Shard, segments: set[int]) -> dict[str, Past]:
    """What is remembered of a shard's streams once these segments are gone, by key."""
    pasts = dict(shard.pasts)
    for stream in shard.streams:
        count = len(stream)
        kept = next((n for n in range(count) if stream.row(n).segment not in segments), count)
        if kept:
            key = stream.info.key
            pasts[key] = past_of(stream, kept, pasts.get(key))
    return pasts
