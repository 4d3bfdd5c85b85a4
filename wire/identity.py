"""Who a microcontroller is: the block of flash that is written apart from its image, so that one
image serves a fleet. `firmware_stubs/common/identity.h` has the layout and reads it.
"""

import math
import struct
from ipaddress import IPv4Address, IPv4Interface
from typing import NamedTuple

from atoll.wire._native import crc32c
from atoll.wire.errors import EncodeError
from atoll.wire.topics import check_name

VERSION = 4
SECRET_BYTES_MAX = 64
UNIT_BYTES_MAX = 16
FLOOR_MAX = 1 << 29  # runs have 30 bits


class Identity(NamedTuple):
    """A board's names, and the stream that it samples (`source` empty: none).

    The stream's key is `device/source`. rate_hz: samples a second; scale: units a count.
    floor: boots and runs are numbered from there on a board that remembers none (32 bits).
    broker: `10.0.2.2:1883`, of a board with Ethernet, which looks up no names. address: its own,
    with the length of its network (`10.0.2.9/24`), and router (empty: by DHCP).
    secret: its password at the broker, where its name is its user (empty: it comes without). It is
    in the block and nowhere else: not to be printed or logged.
    """

    site: str
    device: str
    zone: str
    dataset: str = ""
    source: str = ""
    unit: str = ""
    rate_hz: float = 0.0
    scale: float = 1.0
    floor: int = 0
    broker: str = ""
    address: str = ""
    router: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Identity({self.site!r}, {self.device!r}, {self.zone!r}, ...)"


def encode_identity(identity: Identity) -> bytes:
    """The block; EncodeError where a text cannot stand in a topic or a number is none."""
    names = [identity.site, identity.device, identity.zone]
    if identity.source:
        names += [identity.dataset, identity.source]
        if not 0 < identity.rate_hz < math.inf or not math.isfinite(identity.scale):
            raise EncodeError(
                "identity", f"rate {identity.rate_hz!r} Hz, scale {identity.scale!r}: not possible"
            )
    elif identity.dataset or identity.unit:
        raise EncodeError("identity", "a dataset or a unit without the name of a source")
    for name in names:
        check_name(name, "name")
    if len(identity.unit.encode()) > UNIT_BYTES_MAX:
        raise EncodeError("identity", f"unit {identity.unit!r}: at most {UNIT_BYTES_MAX} bytes")
    if not 0 <= identity.floor < FLOOR_MAX:
        raise EncodeError("identity", f"floor {identity.floor}: 0 to {FLOOR_MAX - 1}")
    secret = identity.secret.encode()
    if len(secret) > SECRET_BYTES_MAX:
        raise EncodeError("identity", f"a secret of more than {SECRET_BYTES_MAX} bytes")
    texts = [*(text.encode() for text in identity[:6]), secret]
    block = b"ATID" + bytes([VERSION, *map(len, texts)]) + b"".join(texts)
    block += struct.pack("<ffI", identity.rate_hz, identity.scale, identity.floor)
    block += _network(identity)
    return block + crc32c(block).to_bytes(4, "little")


def _network(identity: Identity) -> bytes:
    """Addresses of a board with Ethernet; zeros where none are given."""
    if not identity.broker:
        if identity.address or identity.router:
            raise EncodeError("identity", "an address without one of the broker")
        return bytes(18)
    if identity.router and not identity.address:
        raise EncodeError("identity", "a router without an address of the board")
    host, _, port = identity.broker.partition(":")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise EncodeError("identity", f"broker {identity.broker!r}: ADDRESS:PORT is wanted")
    try:
        broker, router = IPv4Address(host), IPv4Address(identity.router or "0.0.0.0")
        own = IPv4Interface(identity.address or "0.0.0.0/0")
    except ValueError as error:
        raise EncodeError("identity", f"{error} (names are not looked up)") from None
    packed = broker.packed + int(port).to_bytes(2, "little")
    return packed + own.packed + own.netmask.packed + router.packed
