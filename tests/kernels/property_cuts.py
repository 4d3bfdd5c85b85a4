"""`make property`: ten times the cuts and merge orders of test_cuts.py, drawn by hypothesis, which
shrinks what fails to the fewest cuts.
"""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import CODES
from .cuts import OTHERS, REDUCERS, Stream, merged, partials, plans_of, whole, wild

CUTS = st.lists(st.integers(0, 2000), max_size=12)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "count"), [*((n, 10_000) for n in REDUCERS), *((n, 1_000) for n in OTHERS)]
)
def test_any_cut_and_any_order_give_the_same_bytes(name, count):
    plans = plans_of(name)
    known = {}

    def prepared(at, dtype, seed):
        if (at, dtype, seed) not in known:
            stream = Stream(plans[at], wild(dtype, random.Random(seed)))
            known[at, dtype, seed] = stream, whole(plans[at], stream)
        return known[at, dtype, seed]

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.integers(0, len(plans) - 1),
        st.sampled_from(list(CODES)),
        st.integers(0, 7),
        CUTS,
        st.integers(0, 2**32),
    )
    def check(at, dtype, seed, cuts, order):
        stream, expected = prepared(at, dtype, seed)
        parts = partials(plans[at], stream, cuts)
        assert merged(plans[at], parts, random.Random(order)) == expected

    check()
