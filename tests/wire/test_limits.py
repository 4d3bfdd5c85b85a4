"""Limits that depend on each other."""

from atoll.wire import limits
from atoll.wire._native import DEPTH_CAP
from atoll.wire.codec import encode
from atoll.wire.messages import Part


def test_a_part_with_its_envelope_fits_a_message():
    part = Part(bytes(16), 2**16 - 1, 2**16 - 1, bytes(32), bytes(limits.PART_BYTES_MAX))
    envelope = len(encode(part)) - limits.PART_BYTES_MAX
    assert envelope <= limits.PART_ENVELOPE_BYTES
    assert limits.PART_BYTES_MAX + limits.PART_ENVELOPE_BYTES <= limits.MESSAGE_BYTES_MAX


def test_the_stack_bears_the_depth():
    assert limits.DEPTH_MAX <= DEPTH_CAP


def test_a_partial_in_its_message_fits_an_object():
    assert limits.PARTIAL_BYTES_MAX + limits.MESSAGE_BYTES_MAX < limits.OBJECT_BYTES_MAX


def test_items_bound_an_object_no_less_than_a_message():
    assert limits.ITEMS_MAX <= limits.OBJECT_ITEMS_MAX <= limits.OBJECT_BYTES_MAX
