"""What `distinct`, `top` and `minmax` promise: errors, exactness while small, places."""

import random
from array import array

import numpy as np
import pytest

from atoll.kernels import KernelError, Plan
from atoll.kernels.estimates import cardinality, mix


def test_distinct_is_exact_while_it_is_small():
    plan = Plan("distinct p=10")
    x = array("i", [k * 977 for k in range(64)] * 3)
    assert plan.run(x) == {"distinct": {"count": 192, "nan": 0, "estimate": 64, "error": 0.0}}
    more = plan.run(array("i", range(65)))["distinct"]
    assert more["error"] == 1.04 / 32


@pytest.mark.parametrize("p", [8, 12])
@pytest.mark.parametrize("n", [500, 5_000, 200_000])
def test_distinct_keeps_its_standard_error(p, n):
    plan, source = Plan(f"distinct p={p}"), np.random.default_rng(n + p)
    errors = []
    for _ in range(40):
        x = source.choice(2**32, n, replace=False).astype("uint32").view("int32")
        found = plan.run(x)["distinct"]
        errors.append(found["estimate"] / n - 1)
    stated = found["error"]
    # 40 draws: their root mean square lies within 1.4 of the deviation, their mean within 0.5.
    assert np.sqrt(np.mean(np.square(errors))) < 1.4 * stated
    assert abs(np.mean(errors)) < 0.5 * stated


def test_distinct_values_of_floats():
    nan = float("nan")
    x = array("f", [0.0, -0.0, 1.5, nan, float("inf"), -float("inf")])
    found = Plan("distinct").run(x)["distinct"]
    assert (found["count"], found["nan"], found["estimate"]) == (5, 1, 4)


def test_registers_all_empty_and_all_full():
    assert cardinality([128] + [0] * 58, 7) == 0
    assert cardinality([0] * 58 + [128], 7) == float("inf")


def test_mix_is_murmurs():
    assert mix(1) == 0xB456BCFC34C2CB2C


def test_top_is_exact_while_it_is_small():
    x = array("h", [7] * 5 + [-3] * 9 + [32767] * 5 + [0])
    found = Plan("top 3 width=16").run(x)["top"]
    assert found == {"count": 20, "nan": 0, "values": [[-3, 9], [7, 5], [32767, 5]], "error": 0}


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_top_misses_none_and_keeps_its_bound(dtype):
    source = np.random.default_rng(4)
    rare = source.integers(-30000, 30000, 60_000)
    often = np.repeat(source.choice(30000, 12, replace=False), 40_000 // 2 ** np.arange(12))
    x = np.concatenate([rare, often]).astype(dtype)
    source.shuffle(x)
    found = Plan("top 1000").run(x)["top"]
    values, counts = np.unique(x, return_counts=True)
    true = dict(zip(values.tolist(), counts.tolist(), strict=True))
    got = dict(found["values"])
    assert 0 < found["error"] <= np.e / 256 * len(x) + 1
    assert {value for value, count in true.items() if count > found["error"]} <= got.keys()
    over = [count - true.get(value, 0) for value, count in got.items()]
    assert min(over) >= 0
    assert sum(o > found["error"] for o in over) <= len(over) / 20
    assert [c for _, c in found["values"]] == sorted(got.values(), reverse=True)


def test_nothing_stands_out_in_flat_data():
    x = np.random.default_rng(6).permutation(50_000).astype("int32")
    assert Plan("top").run(x)["top"]["values"] == []


def test_a_contradicting_top_is_refused():
    plan = Plan("top width=16")
    good = bytearray(plan.partial(array("h", range(100))))
    at = good.index(100, good.index(100) + 1)  # behind the number of samples
    good[at] = 99
    with pytest.raises(KernelError, match="damaged"):
        plan.finish(bytes(good))


def test_extremes_have_places():
    streams = {"pump": array("h", [4, -9, 4, 7]), "fan": array("h", [0, 7, -9])}
    found = Plan("minmax").run(streams)["minmax"]
    assert (found["min"], found["min_key"], found["min_at"]) == (-9, "fan", 2)
    assert (found["max"], found["max_key"], found["max_at"]) == (7, "fan", 1)
    rms = Plan("window 2 hop=1 | peak | minmax").run(streams)["peak"]["minmax"]
    assert (rms["max"], rms["max_key"], rms["max_at"]) == (9.0, "fan", 1)


def test_equal_extremes_of_many_streams_merge_in_any_order():
    plan, chance = Plan("minmax"), random.Random(2)
    parts = [
        plan.partial(array("f", [chance.choice((1, 2, 3)) for _ in range(4)]), start=at, key=key)
        for key in ("", "a", "ab", "b", "\u00e9" * 60)
        for at in (0, 4, 1 << 40)
    ]
    whole = plan.merge(parts)
    for _ in range(200):
        chance.shuffle(parts)
        assert plan.merge([plan.merge(parts[:7]), plan.merge(parts[7:])]) == whole
    assert plan.finish(whole)["minmax"]["min_at"] >= 0


def test_long_keys_are_cut():
    plan = Plan("minmax")
    found = plan.finish(plan.partial(array("h", [1]), key="\u00e9" * 60))["minmax"]
    assert found["min_key"] == "\u00e9" * 32
    odd = plan.finish(plan.partial(array("h", [1]), key="x" + "\u00e9" * 60))["minmax"]
    assert odd["min_key"] == "x" + "\u00e9" * 31 + "\ufffd"
