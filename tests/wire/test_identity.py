import struct

import pytest

from atoll.wire._native import crc32c
from atoll.wire.errors import WireError
from atoll.wire.identity import Identity, encode_identity

BOARD = Identity("lab", "mcu-1", "z")
SAMPLER = BOARD._replace(dataset="v", source="adc", unit="g", rate_hz=3200.0, scale=0.5, floor=9)


def test_the_block():
    block = encode_identity(SAMPLER)
    assert block[:12] == b"ATID\4\3\5\1\1\3\1\0"
    assert block[12:26] == b"labmcu-1zvadcg"
    assert struct.unpack("<ffI", block[26:38]) == (3200.0, 0.5, 9)
    assert block[38:-4] == bytes(18)
    assert crc32c(block[:-4]) == int.from_bytes(block[-4:], "little")


def test_a_board_without_a_stream():
    assert encode_identity(BOARD)[5:12] == bytes([3, 5, 1, 0, 0, 0, 0])


def test_a_board_with_a_secret_shows_it_to_nobody():
    board = SAMPLER._replace(secret="swordfish")
    block = encode_identity(board)
    assert block[11] == 9
    assert block[26:35] == b"swordfish"
    assert "swordfish" not in f"{board} {board!r}"
    with pytest.raises(WireError) as refused:
        encode_identity(board._replace(secret="swordfish" * 8))
    assert "swordfish" not in str(refused.value)


def test_a_board_with_ethernet():
    board = BOARD._replace(broker="10.0.2.2:1883")
    assert encode_identity(board)[-22:-4] == bytes([10, 0, 2, 2, 0x5B, 0x07]) + bytes(12)
    board = board._replace(address="192.168.1.20/24", router="192.168.1.1")
    last = bytes([192, 168, 1, 20, 255, 255, 255, 0, 192, 168, 1, 1])
    assert encode_identity(board)[-16:-4] == last


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
        {"broker": "10.0.2.2"},
        {"broker": "10.0.2.2:0"},
        {"broker": "10.0.2.2:65536"},
        {"broker": "gateway.local:1883"},
        {"broker": ":1883"},
        {"broker": "10.0.2.2:1883", "address": "10.0.2.9/33"},
        {"broker": "10.0.2.2:1883", "router": "10.0.2.1"},
        {"address": "10.0.2.9/24"},
    ],
)
def test_what_cannot_be_is_refused(changes):
    with pytest.raises(WireError):
        encode_identity(SAMPLER._replace(**changes))
