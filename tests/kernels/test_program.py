"""The canonical form: one a plan, back to the plan, and nothing else is read."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atoll.kernels import Plan, PlanError

TEXTS = (
    "moments",
    "window 1024 hop=512 | detrend line | mean, rms | quantiles 0.5 0.99, minmax",
    "clip -0.1 0.1 | histogram -0.1 0.1 bins=7",
    "scale 0.000162 | abs | diff | sum",
)


@pytest.mark.parametrize("text", TEXTS)
def test_there_and_back(text):
    plan = Plan(text)
    again = Plan.from_bytes(plan.canonical)
    assert again == plan
    assert again.id == plan.id
    assert again.text == plan.text == text
    assert hash(again) == hash(plan)


def test_defaults_and_blanks_are_normalised():
    wordy = "  window  1024 hop=1024|detrend mean|rms |quantiles .50 bins=256"
    assert Plan(wordy).text == "window 1024 | detrend | rms | quantiles 0.5"


def test_known_bytes():
    assert Plan("moments").canonical.hex() == "8201811862"
    assert Plan("window 8 | rms").canonical == cbor2.dumps([1, [32, 8, 8], [49]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        cbor2.dumps([2, [98]]),
        cbor2.dumps([1]),
        cbor2.dumps([1, []]),
        cbor2.dumps([1, [7777]]),
        cbor2.dumps([1, [98, 1]]),
        cbor2.dumps([1, [49]]),
        cbor2.dumps([1, [32, 0, 8], [49]]),
        cbor2.dumps([1, [32, 8], [49]]),
        cbor2.dumps([1, [33, 9]]),
        cbor2.dumps([1, ["abs"]]),
        cbor2.dumps([1, [98]]) + b"\x00",
        bytes.fromhex("820181190062"),  # 98 not in its shortest form
        bytes.fromhex("9f018118" + "62ff"),
        b"\x9b" + b"\xff" * 8,
        b"\x81" * 1000,
        b"\x82\x01\x81" * 20000,
        cbor2.dumps([1, [2, 0x7FC00000, 0x7FC00000], [98]]),  # clip to NaN
    ],
)
def test_anything_else_is_refused(data):
    with pytest.raises(PlanError):
        Plan.from_bytes(data)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_refused_or_another_plan(data):
    good = bytearray(Plan(data.draw(st.sampled_from(TEXTS))).canonical)
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        plan = Plan.from_bytes(bytes(good))
    except PlanError:
        return
    assert plan.canonical == bytes(good)
