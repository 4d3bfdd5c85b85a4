import struct

import pytest

from atoll.wire._native import crc32c
from atoll.wire.errors import WireError
from atoll.wire.identity import Identity, encode_identity

BOARD = Identity("lab", "mcu-1", "z")
SAMPLER = BOARD._replace(dataset="v", source="adc", unit="g", rate_hz=3200.0, scale=0.5, floor=9)


def test_the_block():
    block = encode_identity(SAMPLER)
    assert block[:11] == b"ATID\2\3\5\1\1\3\1"
    assert block[11:25] == b"labmcu-1zvadcg"
    assert struct.unpack("<ffI", block[25:37]) == (3200.0, 0.5, 9)
    assert crc32c(block[:-4]) == int.from_bytes(block[-4:], "little")


def test_a_board_without_a_stream():
    assert encode_identity(BOARD)[5:11] == bytes([3, 5, 1, 0, 0, 0])


@pytest.mark.parametrize(
    "changes",
    [
        {"site": ""},
        {"device": "a/b"},
        {"zone": "#"},
        {"dataset": ""},
        {"source": "", "dataset": ""},
        {"unit": "g" * 17},
        {"rate_hz": 0.0},
        {"rate_hz": float("nan")},
        {"scale": float("inf")},
        {"floor": -1},
        {"floor": 2**29},
    ],
)
def test_what_cannot_be_is_refused(changes):
    with pytest.raises(WireError):
        encode_identity(SAMPLER._replace(**changes))
