"""However a stream is cut and in whatever order partials are merged, the bytes are the same.

Of each reducer 1,000 random cuts and merge orders, of each other kernel 100; stages with running
memory in order within the stream. `make property` draws ten times as many by hypothesis.
"""

import random

import pytest

from .conftest import CODES
from .cuts import OTHERS, REDUCERS, Stream, merged, partials, plans_of, whole, wild

CUTS_MOST = 12


def rounds(name, count):
    """(plan, stream, its whole partial, rounds) for each plan and dtype, `count` or more in all."""
    plans, chance = plans_of(name), random.Random(11)
    each = -(-count // (len(plans) * len(CODES)))
    for plan in plans:
        for dtype in CODES:
            stream = Stream(plan, wild(dtype, chance))
            yield plan, stream, whole(plan, stream), each


@pytest.mark.parametrize(
    ("name", "count"), [*((n, 1000) for n in REDUCERS), *((n, 100) for n in OTHERS)]
)
def test_any_cut_and_any_order_give_the_same_bytes(name, count):
    chance, done = random.Random(13), 0
    for plan, stream, expected, each in rounds(name, count):
        assert plan.finish(expected)
        for _ in range(each):
            cuts = [chance.randrange(1 << 20) for _ in range(chance.randint(0, CUTS_MOST))]
            assert merged(plan, partials(plan, stream, cuts), chance) == expected, plan.text
            done += 1
    assert done >= count


def test_a_lost_piece_and_a_piece_twice_show():
    for plan, stream, expected, _ in rounds("sum", 1):
        parts = partials(plan, stream, [100, 300])
        assert plan.merge(parts) == expected
        assert plan.merge(parts[1:]) != expected
        assert plan.merge([*parts, parts[1]]) != expected
