"""The twins of filters against mathematics: they are the oracle of the others."""

from atoll.kernels import reference_signal as twin


def test_small_things():
    assert twin.zero_crossings([1, -1, 0, 5, -2]) == 3.0
    assert twin.ema([4.0, 0.0], 0.25) == [4.0, 3.0]
    assert twin.resample([0.0, 2.0, 4.0], (2, 1, 0, 0x3F800000, 0x3F000000, 0x3F000000)) == [
        *(2.0, 1.0, 4.0, 3.0)
    ]
