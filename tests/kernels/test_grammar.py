"""Plans that cannot be: each error names the stage, shows it, and says what would be right."""

import pytest

from atoll.kernels import Plan, PlanError
from atoll.kernels.grammar import TEXT_MAX, parse

BAD = [
    ("windw 3 | rms", "did you mean 'window'", "windw"),
    ("window 1024 | rms | quantils 0.5", "did you mean 'quantiles'", "quantils"),
    ("rms", "window 1024 | rms", "rms"),
    ("detrend | moments", "needs a window", "detrend"),
    ("window 0 | rms", "must lie in 1 .. 1,048,576, not 0", "0"),
    ("window 1e9 | rms", "must lie in", "1e9"),
    ("window 2.5 | rms", "whole number", "2.5"),
    ("window 12 hop=x | rms", "must be a number", "hop=x"),
    ("window 12 hop=nan | rms", "must lie in", "hop=nan"),
    ("window 12 hop=2 hop=3 | rms", "given twice", "hop=3"),
    ("window 12 13 | rms", "no more arguments", "13"),
    ("window | rms", "needs samples", "window"),
    ("window 12", "gives no result", "window"),
    ("abs", "gives no result", "abs"),
    ("window 8 | detrend linear | rms", "did you mean 'line'", "linear"),
    ("moments | rms", "ends the plan", "rms"),
    ("moments | minmax", "moments, minmax", "minmax"),
    ("window 4 | rms | mean", "rms, mean", "mean"),
    ("window 4 | window 4 | rms", "one window", "window 4"[:6]),
    ("window 4 | abs | rms", "must stand before", "abs"),
    ("window 4 | rms, rms", "stands twice", "rms"),
    ("window 4 | rms, moments", "cannot share a list", "moments"),
    ("abs, diff | sum", "neither", "abs"),
    ("window 4 | moments", "put a feature between", "moments"),
    ("clip 3 1 | sum", "low must be below high", "clip"),
    ("clip 3 inf | sum", "must lie in", "inf"),
    ("scale 1e39 | sum", "beyond the range of f32", "1e39"),
    ("histogram 1 1", "low must be below high", "histogram"),
    ("histogram 0 1e-44", "width", "histogram"),
    ("histogram 0 1 bin=3", "did you mean 'bins'", "bin=3"),
    ("quantiles", "needs q", "quantiles"),
    ("quantiles 1.5", "must lie in", "1.5"),
    ("quantiles 0.5 0.5", "given twice", "0.5"),
    ("quantiles 0.0000000001", "9 decimals", "0.0000000001"),
    ("quantiles 0.5 bins=8", "must lie in", "bins=8"),
    ("window 4 |", "name is missing", None),
    ("window 4 | rms,", "name is missing", None),
]


@pytest.mark.parametrize(("text", "reason", "under"), BAD)
def test_bad_plans_are_explained(text, reason, under):
    with pytest.raises(PlanError) as caught:
        Plan(text)
    lines = str(caught.value).split("\n")
    assert reason in lines[0]
    assert len(lines) == 3
    assert lines[1] == "  " + text
    if under is not None:
        at, width = lines[2].index("^"), lines[2].count("^")
        assert lines[1][at : at + width] == under


@pytest.mark.parametrize("text", ["", "  ", "x" * (TEXT_MAX + 1)])
def test_no_text_or_too_much(text):
    with pytest.raises(PlanError):
        Plan(text)


def test_too_many_kernels_and_branches():
    with pytest.raises(PlanError, match="at most 32"):
        Plan(" | ".join(["abs"] * 40) + " | sum")


def test_numbers_may_have_exponents_and_signs():
    (op,) = parse("histogram -2e2 .5e3 bins=1e2")
    assert op.words[2] == 100
    assert Plan("histogram -2e2 .5e3 bins=1e2") == Plan("histogram -200 500 bins=100")


def test_order_of_options_does_not_matter():
    assert Plan("quantiles bins=64 0.5") == Plan("quantiles 0.5 bins=64")


def test_swapped_letters_are_what_was_meant():
    with pytest.raises(PlanError, match="did you mean 'rms'"):
        parse("window 8 | rsm")
