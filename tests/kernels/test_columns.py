"""The row behind each step of a plan."""

from atoll.kernels.columns import columns, takes, width
from atoll.kernels.golden_models import golden_models
from atoll.kernels.grammar import parse


def names(text):
    return [name for column in columns(parse(text, golden_models())) for name in column.names]


def test_what_stands_side_by_side():
    assert names("sum") == ["0"]
    assert names("window 3 | merge") == ["0", "1", "2"]
    assert names("window 16 | rms, mean | gram") == ["rms", "mean"]
    assert names("window 16 | spectrum | gram") == [f"spectrum.{k}" for k in range(9)]
    lines = "window 64 | spectrum | band 1 2, lines 3 4 | gram"
    assert names(lines) == ["band", "lines.0", "lines.1"]
    assert names("window 16 | rms, mean | ewma | threshold 3") == [
        "rms.ewma.threshold",
        "mean.ewma.threshold",
    ]
    assert names("window 3 | logistic @logistic") == [f"logistic.{k}" for k in range(3)]
    assert names("window 3 | logistic @logistic give=class") == ["logistic"]
    assert names("ewma | cusum 1") == ["ewma.cusum"]


def test_how_many_they_take():
    (*_, op) = parse("window 3 | mlp @mlp", golden_models())
    assert takes(op) == 3
    assert takes(parse("ewma")[0]) is None
    assert width(columns([op])) == 2
