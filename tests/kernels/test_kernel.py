"""Signatures as people read them."""

from atoll.kernels import catalogue
from atoll.kernels.kernel import Kernel, Param


def test_signatures():
    by_name = {k.name: k.signature for k in catalogue()}
    assert by_name["histogram"] == "histogram LOW HIGH bins=64"
    assert by_name["quantiles"] == "quantiles Q... bins=256"
    assert by_name["detrend"] == "detrend [mean|line]"
    assert by_name["scale"] == "scale [BY] [ADD]"
    assert by_name["window"] == "window SAMPLES hop=SAMPLES"
    assert by_name["biquad"].endswith("HZ... order=2 q=0")


def test_defaults_are_shown():
    params = (Param("a", "count"), Param("b", "number", 1.5, keyword=True))
    kernel = Kernel("k", 1, "sample", params, "d", "u", "e", "s", 1)
    assert kernel.signature == "k A b=1.5"
    assert kernel.merge_error == "-"
