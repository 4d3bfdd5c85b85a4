"""CRC-32C against the standard's vectors, the definition, and itself in pieces."""

import re
from pathlib import Path
from random import Random

import pytest

from atoll.wire import reference
from atoll.wire._native import crc32c

HEADER = Path(__file__).parents[2] / "wire" / "portable" / "crc32c_tables.h"


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_vectors(data, crc):
    assert crc32c(data) == reference.crc32c(data) == crc


def test_every_length_and_alignment_against_the_definition():
    data = Random(3).randbytes(80)
    for start in range(9):
        for stop in range(start, len(data)):
            assert crc32c(memoryview(data)[start:stop]) == reference.crc32c(data[start:stop])


def test_continues_over_pieces_and_without_the_lock():
    data = Random(4).randbytes(61_440)
    whole = crc32c(data)
    for cut in (0, 1, 7, 8, 8_191, 8_192, 61_440):
        assert crc32c(data[cut:], crc32c(data[:cut])) == whole


def test_tables_follow_from_the_polynomial():
    found = [int(text, 16) for text in re.findall(r"0x([0-9a-f]{8})u", HEADER.read_text())]
    table = [reference.crc32c(bytes([byte]), 0xFFFFFFFF) ^ 0xFFFFFFFF for byte in range(256)]
    wanted = list(table)
    for _ in range(7):
        row = wanted[-256:]
        wanted += [table[value & 0xFF] ^ value >> 8 for value in row]
    assert found == wanted
