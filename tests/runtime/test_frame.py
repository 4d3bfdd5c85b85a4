from atoll.runtime.frame import (
    ALIGN,
    FRAME,
    GAP,
    Frame,
    file_format,
    file_header,
    pack_frame,
    record_bytes,
    unpack_frame,
)

ONE = Frame(2_200, 3, 0xDEADBEEF, 1_024 | GAP, 104, 7, 2**40, -5, 4_096)


def test_a_frame_comes_back():
    assert unpack_frame(pack_frame(ONE, 9, 160), 9, 160) == ONE


def test_a_frame_belongs_to_its_place():
    packed = pack_frame(ONE, 9, 160)
    assert unpack_frame(packed, 8, 160) is None
    assert unpack_frame(packed, 9, 168) is None


def test_every_flipped_bit_is_seen():
    packed = pack_frame(ONE, 9, 160)
    for bit in range(len(packed) * 8):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        assert unpack_frame(bytes(damaged), 9, 160) is None


def test_a_cut_frame_is_none():
    packed = pack_frame(ONE, 9, 160)
    assert all(unpack_frame(packed[:size], 9, 160) is None for size in range(FRAME.size))


def test_records_are_aligned():
    sizes = [record_bytes(length) for length in range(40)]
    assert all(size % ALIGN == 0 and size >= FRAME.size + i for i, size in enumerate(sizes))


def test_the_file_says_its_format():
    header = file_header()
    assert file_format(header) == 1
    for bit in range(len(header) * 8):
        damaged = bytearray(header)
        damaged[bit // 8] ^= 1 << bit % 8
        assert file_format(bytes(damaged)) is None
