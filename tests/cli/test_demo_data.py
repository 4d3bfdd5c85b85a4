from array import array

import pytest

from atoll.cli import demo_data
from atoll.cli.files import Recording, load
from atoll.kernels import Plan


@pytest.mark.parametrize("count", [1, 100, 600, 50_000])
def test_pieces_are_always_as_many_and_as_long(count):
    samples = array("h", (n % 1000 for n in range(count)))
    found = demo_data.pieces([Recording("a", samples), Recording("b", array("f", [1.0]))])
    assert len(found) == demo_data.PIECES
    assert {len(piece) for piece in found.values()} == {demo_data.PIECE_SAMPLES}
    assert {piece.typecode for piece in found.values()} == {"h"}


def test_pieces_of_a_long_recording_differ():
    samples = array("i", range(200_000))
    found = demo_data.pieces([Recording("a", samples)])
    assert len({piece.tobytes() for piece in found.values()}) == demo_data.PIECES


def test_queries_are_plans_that_the_material_fills(recordings):
    for material in (load(str(recordings)), [Recording("a", array("i", range(-300, 300)), 100.0)]):
        streams = {each.key: each.samples for each in material}
        texts = demo_data.queries(material)
        assert len(texts) == 3
        for text in texts:
            assert Plan(text).run(streams)
        histogram = Plan(texts[2]).run(streams)["peak"]["histogram"]
        assert histogram["count"] > 0
        assert sum(histogram["counts"]) == histogram["count"]


def test_material_counts():
    material = demo_data.Material("m", "s", [Recording("a", array("h", [1, 2, 3]))])
    assert (material.sample_count, material.byte_count) == (3, 6)
    assert material.streams == {"a": array("h", [1, 2, 3])}
