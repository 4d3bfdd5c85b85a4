from struct import pack, unpack

import pytest

from atoll.runtime.iio_scan import Element, Scan, parse_type


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("le:s12/16>>4", (False, True, 12, 2, 1, 4)),
        ("be:u16/16>>0", (True, False, 16, 2, 1, 0)),
        ("le:s64/64>>0", (False, True, 64, 8, 1, 0)),
        ("be:s24/32>>8", (True, True, 24, 4, 1, 8)),
        ("le:s16/16X4>>0", (False, True, 16, 2, 4, 0)),
        ("le:u8/8", (False, False, 8, 1, 1, 0)),
    ],
)
def test_types(text, wanted):
    assert parse_type("x", 3, text) == Element("x", 3, *wanted)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s12/16>>4",
        "xe:s12/16>>4",
        "le:t12/16>>4",
        "le:s12/12>>0",
        "le:s13/16>>4",
        "le:s0/16>>0",
        "le:s16/128>>0",
        "le:s12/16>>-4",
        "le:s16/16X3>>0",
        "le:s16/16X0>>0",
        "le:s16/16X32>>0",
        "le:s99999999999/16>>0",
    ],
)
def test_what_is_no_type_is_refused(text):
    with pytest.raises(ValueError, match="x: "):
        parse_type("x", 0, text)


def column(text, stored, offset=0):
    """One channel's samples out of scans of stored bytes: its code, and the values."""
    element = parse_type("x", 0, text, offset)
    (data,) = Scan([element]).columns(stored)
    return element.code, list(
        unpack(f"<{len(data) // (2 if element.code == 'h' else 4)}{element.code}", data)
    )


@pytest.mark.parametrize(
    ("text", "stored", "code", "values"),
    [
        # ads1015: 12 bits to the left of 16, big-endian. The low bits are none of the value.
        ("be:s12/16>>4", bytes.fromhex("7fff 8000 fff0 0017"), "h", [2047, -2048, -1, 1]),
        ("le:s12/16>>4", bytes.fromhex("ff7f 0080 f0ff 1700"), "h", [2047, -2048, -1, 1]),
        # Values to the right: what stands above them is not theirs.
        ("le:s12/16>>0", pack("<4H", 0x07FF, 0x0800, 0xFFFF, 0xF001), "h", [2047, -2048, -1, 1]),
        ("le:u12/16>>0", pack("<2H", 0xFFFF, 0xF001), "h", [4095, 1]),
        ("le:s16/16>>0", pack("<3h", -32768, 32767, -1), "h", [-32768, 32767, -1]),
        ("be:s16/16>>0", pack(">3h", -32768, 32767, -1), "h", [-32768, 32767, -1]),
        ("le:u15/16>>0", pack("<H", 0x7FFF), "h", [32767]),
        ("le:u16/16>>0", pack("<2H", 65535, 0), "i", [65535, 0]),
        ("be:u16/16>>0", pack(">2H", 65534, 0), "i", [65534, 0]),
        ("le:s8/8>>0", pack("<3b", -128, 127, -1), "h", [-128, 127, -1]),
        ("be:s24/32>>8", bytes.fromhex("7fffffaa 800000aa ffffffaa"), "i", [8388607, -8388608, -1]),
        ("le:s32/32>>0", pack("<2i", -(2**31), 2**31 - 1), "i", [-(2**31), 2**31 - 1]),
        ("be:s32/32>>0", pack(">2i", -5, 5), "i", [-5, 5]),
        # Beyond i32: cut to the range.
        ("le:u32/32>>0", pack("<2I", 2**32 - 1, 7), "i", [2**31 - 1, 7]),
        ("le:s64/64>>0", pack("<2q", -(2**40), 9), "i", [-(2**31), 9]),
        ("be:u64/64>>0", pack(">2Q", 2**64 - 1, 9), "i", [2**31 - 1, 9]),
    ],
)
def test_values(text, stored, code, values):
    assert column(text, stored) == (code, values)


def test_an_offset_takes_more_room_and_saturates():
    assert column("le:s16/16>>0", pack("<2h", 32767, -5), 10) == ("i", [32777, 5])
    assert column("le:s32/32>>0", pack("<i", 2**31 - 1), 10) == ("i", [2**31 - 1])


def test_elements_lie_at_multiples_of_their_size_in_the_scans_order():
    """accel_x 16, temp 8, accel_y 16, timestamp 64: as the kernel lays them out."""
    types = [("y", 2, "be:s16/16>>0"), ("x", 0, "be:s16/16>>0"), ("t", 1, "le:u8/8>>0")]
    scan = Scan([parse_type(*one) for one in [*types, ("timestamp", 3, "le:s64/64>>0")]])
    assert scan.size == 16
    assert [one.name for one in scan.elements] == ["x", "t", "y"]
    data = b"".join(pack(">hBxh2x", -at, at, 100 * at) + pack("<q", 1_000 * at) for at in range(3))
    x, t, y = scan.columns(data)
    assert unpack("<3h", x) == (0, -1, -2)
    assert unpack("<3h", t) == (0, 1, 2)
    assert unpack("<3h", y) == (0, 100, 200)
    assert scan.timestamps(data) == [0, 1_000, 2_000]


def test_repeated_values_are_streams_of_their_own():
    scan = Scan([parse_type("rot", 0, "le:s32/32X4>>0"), parse_type("v", 1, "le:u8/8")])
    assert scan.size == 32
    assert scan.elements[0].names == ["rot.0", "rot.1", "rot.2", "rot.3"]
    columns = scan.columns(pack("<4iB15x", 1, -2, 3, -4, 9))
    assert [unpack("<i", one)[0] for one in columns[:4]] == [1, -2, 3, -4]
    assert unpack("<h", columns[4]) == (9,)
    assert scan.timestamps(bytes(32)) == []
