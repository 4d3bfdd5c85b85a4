"""UF2: the files that a board's boot ROM takes when they are copied to its USB volume.

    python -m atoll.cli.uf2 IMAGE.bin 0x10000000 IMAGE.uf2

Blocks of 512 bytes, each with 256 bytes of payload and the address where they belong (Microsoft's
specification of the format). Whole sectors of 4 KB are written: the RP2040's boot ROM erases by the
number of a block, and would leave a sector unerased behind one that was begun only (RP2040-E14).
"""

import struct
import sys
from collections.abc import Sequence
from pathlib import Path

PAYLOAD_BYTES, BLOCK_BYTES, SECTOR_BYTES = 256, 512, 4096
RP2040 = 0xE48B_FF56
_HEAD = struct.Struct("<8I")
_MAGIC, _MAGIC_2, _MAGIC_END = 0x0A32_4655, 0x9E5D_5157, 0x0AB1_6F30
_FAMILY_GIVEN = 0x2000


class UF2Error(ValueError):
    """It cannot be written, or is none; the message says why."""


def encode_uf2(pieces: Sequence[tuple[int, bytes]], family: int = RP2040) -> bytes:
    """A file with these pieces: where each belongs, a multiple of 4,096, and its bytes.

    What is left of a piece's last sector is written 0xFF.
    """
    payloads = []
    for address, data in pieces:
        if address % SECTOR_BYTES or not data:
            raise UF2Error(f"{len(data)} bytes at {address:#x}: a piece begins a sector")
        whole = data + b"\xff" * (-len(data) % SECTOR_BYTES)
        payloads += [
            (address + at, whole[at : at + PAYLOAD_BYTES])
            for at in range(0, len(whole), PAYLOAD_BYTES)
        ]
    blocks = []
    for number, (address, payload) in enumerate(payloads):
        words = (_MAGIC, _MAGIC_2, _FAMILY_GIVEN, address, PAYLOAD_BYTES, number, len(payloads))
        body = _HEAD.pack(*words, family) + payload
        blocks.append(body.ljust(BLOCK_BYTES - 4, b"\0") + struct.pack("<I", _MAGIC_END))
    return b"".join(blocks)


def main(words: list[str]) -> int:
    """Write the file that the command line names."""
    source, address, target = words
    try:
        made = encode_uf2([(int(address, 0), Path(source).read_bytes())])
    except (OSError, ValueError) as error:
        print(f"uf2: {error}", file=sys.stderr)
        return 1
    Path(target).write_bytes(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
