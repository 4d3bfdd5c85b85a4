"""Whatever cbor2 is installed: the same bytes, which are the deterministic ones."""

import math
import struct
import subprocess
import sys
from random import Random

import cbor2
import pytest

from atoll.wire._cbor import dumps, halve_float, loads
from atoll.wire.codec import encode
from atoll.wire.messages import Birth, KernelReceipt, LeaseRequest, Result, StreamInfo
from atoll.wire.reference import check

RATES = [0.0, -0.0, 0.5, 1.5, 65_504.0, 65_505.0, 6e-8, 2**-24, 2**-25, 1 / 3, 1e300, 5e-324]
RATES += [
    32_768.0,
    48_000.0,
    3.4028234663852886e38,
    3.402823466385289e38,
    1.401298464324817e-45,
    12_000.0,
    0.000162,
]


def birth_of(value):
    return Birth(7, 41, 2, 1, "0.1", "hall", value, "demo", 4, 2**32, 0, 65_536, [], [])


def test_floats_take_their_shortest_form():
    """Of all halves, and of many others, also where cbor2 5 does not see it."""
    random = Random(10)
    values = [struct.unpack("<e", bits.to_bytes(2, "little"))[0] for bits in range(0, 65_536, 7)]
    values += [struct.unpack("<f", random.randbytes(4))[0] for _ in range(500)]
    values += [struct.unpack("<d", random.randbytes(8))[0] for _ in range(500)]
    for value in filter(math.isfinite, [*RATES, *values]):
        data = encode(birth_of(value))
        assert check(data, 40, 2) == ("ok", len(data)), value
        assert struct.pack("<d", loads(data)[7]) == struct.pack("<d", value)


def test_only_a_single_is_halved():
    assert halve_float(b"\x81\xfa\x47\x3b\x80\x00\x00", 1) == b"\x81\xf9\x79\xdc\x00"
    with pytest.raises(ValueError, match="binary32"):
        halve_float(bytes(9), 0)


def test_a_message_in_bytes():
    """Frozen: every version of cbor2 and of Atoll writes these."""
    info = StreamInfo("vibration", "motor-1", "i16", 1, 12_000.0, 0.000162, "g")
    receipt = KernelReceipt("rms", bytes(range(8)))
    birth = Birth(7, 41, 2, 1, "0.1", "hall", 1.5, "demo", 4, 2**32, 0, 65_536, [receipt], [info])
    assert encode(birth).hex() == (
        "b200010107021829030204010563302e31066468616c6c07f93e00086464656d6f09040a1b00000001000000"
        "000b000c1a000100000d818263726d734800010203040506070e818769766962726174696f6e676d6f746f72"
        "2d316369313601f971dc" + "fb3f253bd1676640a7" + "61670ff410001160"
    )


def test_the_pure_python_cbor2_writes_the_same():
    """cbor2 5 without its C core; cbor2 6 has no other half."""
    if cbor2.dumps.__module__ != "_cbor2":
        pytest.skip("platform: this cbor2 has one implementation")
    code = (
        "import sys; sys.modules['_cbor2'] = None\n"
        "from atoll.wire.codec import encode\nfrom atoll.wire.messages import Birth\n"
        f"for value in {RATES!r}: print(encode({birth_of(1.5)!r}._replace(capacity=value)).hex())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [encode(birth_of(value)).hex() for value in RATES]


def test_named_tuples_are_arrays():
    assert dumps(Result("k", 1, False, b"", 2)) == dumps(["k", 1, False, b"", 2])
    assert LeaseRequest._fields[:3] == ("boot", "epoch", "lease")
