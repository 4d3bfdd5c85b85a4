"""Receipts equal the tables of what every machine must give; a changed bit changes them."""

from pathlib import Path

import pytest

from atoll.kernels import catalogue, receipts
from atoll.kernels.receipt import LONG, LONG_PLANS, SHORT

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(("suite", "name"), [(SHORT, "golden.txt"), (LONG, "golden_long.txt")])
def test_receipts_are_what_every_machine_gives(suite, name):
    ours = "".join(f"{name} {value.hex()}\n" for name, value in receipts(suite).items())
    assert ours == (FOLDER / name).read_text(), f"if the change is meant: write these to {name}"


def test_one_for_each_kernel():
    found = receipts()
    assert list(found) == [kernel.name for kernel in catalogue()]
    assert len(set(found.values())) == len(found)
    assert all(len(value) == 8 for value in found.values())


def test_long_plans_are_of_kernels():
    assert list(LONG.plans()) == [k.name for k in catalogue() if k.name in LONG_PLANS]
    assert len(LONG.plans()) == len(LONG_PLANS)
