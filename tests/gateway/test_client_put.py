"""What goes out when streams are put, seen by a gateway that answers as the test says."""

from array import array
from itertools import pairwise

import pytest

from atoll.gateway.client import connect
from atoll.gateway.client_errors import Refused
from atoll.wire.messages import Put

pytestmark = pytest.mark.broker


def connected(scripted, **options):
    return connect(scripted.url, site=scripted.topics.site, **options)


def test_put_numbers_its_pieces(scripted):
    samples = array("h", range(-30_000, 30_000)) * 2
    seen = []
    with connected(scripted) as fleet:
        result = fleet.put(
            "data", samples, key="a", rate=1000, progress=lambda *args: seen.append(args)
        )
    assert (result.samples, result.bytes, result.streams) == (120_000, 240_000, 1)
    pieces = [piece for put in scripted.asked for piece in put.pieces]
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert b"".join(piece.data for piece in pieces) == samples.tobytes()
    assert len({put.put_id for put in scripted.asked}) == 1
    assert seen[-1] == (240_000, 240_000)
    step_ms = [b.wall_ms - a.wall_ms for a, b in pairwise(pieces)]
    assert all(step == 30_720 for step in step_ms)


def test_many_small_streams_share_messages(scripted):
    streams = {f"s{n}": array("h", [n] * 100) for n in range(1000)}
    with connected(scripted) as fleet:
        assert fleet.put_many("data", streams, rate=1).streams == 1000
    assert len(scripted.asked) < 10
    found = {p.info.key: p.data for put in scripted.asked for p in put.pieces}
    assert found == {key: values.tobytes() for key, values in streams.items()}


def test_nothing_is_sent_when_one_of_many_is_wrong(scripted):
    with connected(scripted) as fleet, pytest.raises(Refused, match="'b'"):
        fleet.put_many("data", {"a": array("h", [1]), "b": [1]}, rate=1)
    assert scripted.asked == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": float("nan")},
        {"scale": float("inf")},
        {"unit": "x" * 17},
        {"shards": 0},
        {"replicas": 17},
        {"key": ""},
        {"key": "x" * 129},
    ],
)
def test_wrong_words_about_a_stream(scripted, wrong):
    with connected(scripted) as fleet, pytest.raises(Refused):
        fleet.put("data", array("h", [1]), **({"key": "a", "rate": 1} | wrong))
    assert scripted.asked == []


def test_what_a_new_gateway_refused_out_of_turn_is_put_again(scripted):
    """The first message is lost with the old gateway; the second came too early to the new one."""
    lost = []

    def answer(put):
        assert isinstance(put, Put)
        first = put.pieces[0].index
        if not lost:
            lost.append(put)
            return []
        if len(scripted.asked) == 2:
            scripted.status("lost")
            scripted.status("ready", term=2)
            return [scripted.failed(put, f"piece {first} came before piece 0")]
        return [scripted.done(put)]

    scripted.answers = answer
    with connected(scripted) as fleet:
        fleet.put("data", array("h", [1]) * 60_000, key="a", rate=1)
    # Said again with what was open, refused out of turn, and put once more in its turn.
    stored = [put.pieces[0].index for put in scripted.asked[2:]]
    assert stored[0] == 0
    assert stored[-1] == 1
