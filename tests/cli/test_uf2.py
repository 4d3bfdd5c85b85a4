"""UF2 files, and the seal of the RP2040's second stage."""

import importlib.util
import struct

import pytest

from atoll.cli.firmware import SOURCES, build
from atoll.cli.uf2 import UF2Error, encode_uf2


@pytest.fixture(scope="module")
def boot2():
    spec = importlib.util.spec_from_file_location("boot2", SOURCES / "boot2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_blocks_fill_whole_sectors_and_are_numbered_through():
    file = encode_uf2([(0x1000_0000, b"a" * 4097), (0x101E_F000, b"b")])
    blocks = [file[at : at + 512] for at in range(0, len(file), 512)]
    heads = [struct.unpack_from("<8I", block) for block in blocks]
    assert len(blocks) == 3 * 16
    # Microsoft's magic numbers, and the family that it lists for the RP2040.
    assert {head[:3] for head in heads} == {(0x0A324655, 0x9E5D5157, 0x2000)}
    assert {head[7] for head in heads} == {0xE48BFF56}
    assert [head[5] for head in heads] == list(range(48))
    assert {head[6] for head in heads} == {48}
    assert [head[3] for head in heads[:2]] == [0x1000_0000, 0x1000_0100]
    assert heads[32][3] == 0x101E_F000
    assert {block[508:] for block in blocks} == {struct.pack("<I", 0x0AB16F30)}
    assert blocks[16][32:288] == b"a" + b"\xff" * 255


@pytest.mark.parametrize("piece", [(0x1000_0100, b"x"), (0x1000_0000, b"")])
def test_a_piece_begins_a_sector_and_has_bytes(piece):
    with pytest.raises(UF2Error, match="a piece begins a sector"):
        encode_uf2([piece])


def test_the_crc_is_the_boot_roms(boot2):
    assert boot2.crc(b"123456789") == 0x0376E6E7  # as published for CRC-32/MPEG-2


def test_a_seal_is_checked(boot2):
    sealed = boot2.seal(b"code")
    boot2.check(sealed + b"image")
    with pytest.raises(boot2.Unsealed, match="CRC"):
        boot2.check(b"C" + sealed[1:])
    with pytest.raises(boot2.Unsealed, match="no second stage"):
        boot2.check(sealed[:255])
    with pytest.raises(boot2.Unsealed, match="253 bytes"):
        boot2.seal(bytes(253))


@pytest.mark.emulator
def test_an_image_of_a_pico_begins_with_a_sealed_stage(boot2):
    image = build("pico", "probe").elf
    content = image.with_suffix(".bin").read_bytes()
    boot2.check(content)
    start = struct.unpack_from("<2I", content, 256)
    assert 0x2000_0000 < start[0] <= 0x2004_2000
    assert 0x1000_0100 < start[1] < 0x1000_0000 + len(content)
    assert image.with_suffix(".uf2").read_bytes() == encode_uf2([(0x1000_0000, content)])
