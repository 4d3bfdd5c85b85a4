"""Errors say whose fault it is, and count by one word."""

from atoll.wire.errors import DecodeError, EncodeError, WireError


def test_both_sides_have_one_root():
    for cls in (DecodeError, EncodeError):
        error = cls("crc", "block 4 is damaged")
        assert isinstance(error, WireError)
        assert isinstance(error, ValueError)
        assert error.reason == "crc"
        assert str(error) == "block 4 is damaged (crc)"
