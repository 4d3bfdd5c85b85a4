"""Receipts equal the table of what every board must give; a changed bit changes them."""

from pathlib import Path

from atoll.kernels import catalogue, receipts

TABLE = Path(__file__).with_name("golden.txt")


def test_receipts_are_what_every_board_gives():
    ours = "".join(f"{name} {value.hex()}\n" for name, value in receipts().items())
    assert ours == TABLE.read_text(), "if the change is meant: write these lines to golden.txt"


def test_one_for_each_kernel():
    found = receipts()
    assert list(found) == [kernel.name for kernel in catalogue()]
    assert len(set(found.values())) == len(found)
    assert all(len(value) == 8 for value in found.values())
