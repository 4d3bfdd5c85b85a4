"""Large messages of many senders: each gets its own, and all together stay within bounds."""

import hashlib

import pytest

from atoll.gateway.assemblers import ASSEMBLERS_MAX, Assemblers
from atoll.wire import messages as wire
from atoll.wire.codec import encode, split
from atoll.wire.errors import DecodeError

ALLOWED = (wire.Partials, wire.Part)
LARGE = wire.Partials(1, 2, 3, 4, "q1", [wire.Result("k", 0, False, bytes(200_000), 0)])


def parts(number):
    return split(encode(LARGE), number.to_bytes(16, "big"), 65_536)


def test_a_small_message_needs_no_parts():
    probe = wire.Probe(1, 2, 3)
    assert Assemblers().message("a", encode(probe), (wire.Probe,)) == probe


def test_senders_do_not_mix():
    found = Assemblers()
    mine, theirs = parts(1), parts(2)
    for one, other in zip(mine[:-1], theirs[:-1], strict=True):
        assert found.message("a", one, ALLOWED) is None
        assert found.message("b", other, ALLOWED) is None
    assert found.message("b", theirs[-1], ALLOWED) == LARGE
    assert found.message("a", mine[-1], ALLOWED) == LARGE


def test_senders_are_bounded_the_oldest_goes():
    found = Assemblers()
    for number in range(ASSEMBLERS_MAX + 1):
        found.message(f"s{number}", parts(number)[0], ALLOWED)
    assert len(found._open) == ASSEMBLERS_MAX
    assert "s0" not in found._open


def test_parts_of_parts_are_refused():
    inner = encode(wire.Part(bytes(16), 0, 1, bytes(32), bytes(100)))
    (outer,) = [encode(wire.Part(bytes(16), 0, 1, hashlib.sha256(inner).digest(), inner))]
    with pytest.raises(DecodeError):
        Assemblers().message("a", outer, ALLOWED)
