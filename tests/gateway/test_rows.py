"""Records of the ledger as bytes: there and back for every kind, and nothing else is believed."""

from random import Random

import pytest

from atoll.gateway import records as r
from atoll.gateway.rows import KINDS, RECORD_BYTES_MAX, RowsError, Unpacker, pack, unpack

INTS = (0, 1, -1, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.5, 48_000.0, 1e300)
TEXTS = ("", "k", "motor-1/ü水", "x" * 5_000)
BLOBS = (b"", b"\0", bytes(range(256)) * 40)
VALUES = {int: INTS, float: FLOATS, str: TEXTS, bytes: BLOBS}


def made(kind, random):
    if kind is r.PartialsAdded:
        return r.PartialsAdded(
            [(n, n * 7, random.choice(BLOBS)) for n in range(random.choice((0, 3)))]
        )
    return kind(*(random.choice(VALUES[kind.__annotations__[name]]) for name in kind._fields))


def all_kinds(seed):
    random = Random(seed)
    return [made(kind, random) for kind in KINDS for _ in range(3)]


def test_every_kind_of_record_comes_back():
    assert set(KINDS) == set(r.Record.__args__)
    records = all_kinds(1)
    assert unpack(pack(records)) == records


@pytest.mark.parametrize("step", [1, 7, 1_000, 60_000])
def test_they_may_come_in_any_pieces(step):
    records = all_kinds(2)
    data, unpacker = pack(records), Unpacker()
    found = [one for at in range(0, len(data), step) for one in unpacker.feed(data[at : at + step])]
    assert found == records
    assert unpacker.empty


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" + bytes(4),  # no such kind
        b"\0" + (RECORD_BYTES_MAX + 1).to_bytes(4, "little"),
        pack([r.SettingSet("term", 1)])[:-1],
        pack([r.SettingSet("term", 1)]) + b"\0",
        b"\0" + (4).to_bytes(4, "little") + b"\xff\xff\xff\xff",  # a text of 4 GiB
        b"\0" + (13).to_bytes(4, "little") + b"\1\0\0\0\xff" + bytes(8),  # no UTF-8
        b"\0" + (14).to_bytes(4, "little") + b"\1\0\0\0a" + bytes(9),  # more than its fields
    ],
)
def test_what_is_no_record_is_refused(data):
    with pytest.raises(RowsError):
        unpack(data)


def test_a_count_of_partials_is_not_believed():
    number = KINDS.index(r.PartialsAdded)
    body = (2**32 - 1).to_bytes(4, "little")
    with pytest.raises(RowsError):
        unpack(bytes([number]) + len(body).to_bytes(4, "little") + body)


def test_spoilt_bytes_are_refused_or_records():
    random = Random(3)
    data = pack(all_kinds(3))
    for _ in range(3_000):
        spoilt = bytearray(data[: random.randrange(400)])
        for _ in range(random.randint(1, 3)):
            if spoilt:
                spoilt[random.randrange(len(spoilt))] = random.getrandbits(8)
        try:
            found = unpack(bytes(spoilt))
        except RowsError:
            continue
        assert all(type(record) in KINDS for record in found)
