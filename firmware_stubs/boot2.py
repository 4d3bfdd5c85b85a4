"""The seal of the RP2040's second stage: 252 bytes of code, and a CRC without which the boot ROM
does not run it.

    python boot2.py seal CODE.bin BOOT2.c     the code, padded and sealed, as C
    python boot2.py check IMAGE.bin           whether an image begins with a sealed one

The CRC is that of the data sheet's chapter 2.8.1.3.1: polynomial 04c11db7, begun with ones, most
significant bit first, nothing reflected or inverted at the end.
"""

import sys
from pathlib import Path

CODE_BYTES, SEALED_BYTES = 252, 256
POLYNOMIAL, ONES = 0x04C1_1DB7, 0xFFFF_FFFF


class Unsealed(Exception):
    """The boot ROM would not run it; the message says why."""


def crc(data: bytes) -> int:
    """The boot ROM's CRC-32 of these bytes."""
    value = ONES
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ POLYNOMIAL * (value >> 31)) & ONES
    return value


def seal(code: bytes) -> bytes:
    """The 256 bytes in front of an image."""
    if not 0 < len(code) <= CODE_BYTES:
        raise Unsealed(f"the second stage has {len(code)} bytes, 1 to {CODE_BYTES} are allowed")
    padded = code.ljust(CODE_BYTES, b"\0")
    return padded + crc(padded).to_bytes(4, "little")


def check(image: bytes) -> None:
    """Unsealed where the boot ROM would not start this image."""
    if len(image) < SEALED_BYTES:
        raise Unsealed(f"an image of {len(image)} bytes has no second stage")
    kept = int.from_bytes(image[CODE_BYTES:SEALED_BYTES], "little")
    found = crc(image[:CODE_BYTES])
    if kept != found:
        raise Unsealed(f"the second stage's CRC is {kept:08x}, its bytes give {found:08x}")


def as_c(sealed: bytes) -> str:
    """C that lays these bytes at the beginning of an image."""
    rows = (sealed[at : at + 16] for at in range(0, SEALED_BYTES, 16))
    body = "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)
    return (
        "/* Made by boot2.py. */\n#include <stdint.h>\n\n"
        f"extern const uint8_t atoll_boot2_sealed[{SEALED_BYTES}];\n\n"
        f'__attribute__((section(".boot2"), used)) const uint8_t atoll_boot2_sealed[{SEALED_BYTES}]'
        f" = {{\n{body}\n}};\n"
    )


def main(words: list[str]) -> int:
    """Seal or check, as the command line says."""
    verb, path, *more = words
    try:
        if verb == "seal":
            Path(more[0]).write_text(as_c(seal(Path(path).read_bytes())))
        else:
            check(Path(path).read_bytes())
    except Unsealed as error:
        print(f"boot2.py: {path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
