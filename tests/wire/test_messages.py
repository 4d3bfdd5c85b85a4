"""What all messages have in common."""

from atoll.wire.messages import DONE, FAILED, INCOMPLETE, PROGRESS, PROTOCOL
from atoll.wire.schema import FIELDS, MESSAGES, NUMBERS

CLIENT_FIRST = 32


def test_messages_to_and_from_a_device_begin_with_the_fences():
    for number, cls in MESSAGES.items():
        if number < CLIENT_FIRST and cls.__name__ != "Part":
            assert cls._fields[:3] == ("boot", "epoch", "lease"), cls


def test_messages_of_clients_begin_with_the_request():
    for number, cls in MESSAGES.items():
        if number >= CLIENT_FIRST:
            assert cls._fields[0] == "request", cls


def test_type_numbers_fit_one_byte_after_the_head():
    assert all(0 < number < 256 for number in MESSAGES)


def test_every_class_says_what_it_is():
    assert all((cls.__doc__ or "").strip() for cls in FIELDS)
    assert all(not cls.__doc__.startswith(f"{cls.__name__}(") for cls in FIELDS)


def test_numbers_are_what_was_published():
    assert PROTOCOL == 1
    assert (DONE, PROGRESS, FAILED, INCOMPLETE) == (0, 1, 2, 3)
    assert {cls.__name__: number for cls, number in NUMBERS.items()} == {
        **{"Birth": 1, "LeaseRequest": 2, "Held": 3, "Stored": 4, "Partials": 5},
        **{"TransferFailed": 6, "Credential": 7, "Blocks": 10, "Part": 11},
        **{"Lease": 16, "Probe": 17, "Map": 18, "Tasks": 19, "Standing": 20, "Cancel": 21},
        **{"SendBlocks": 22, "InventoryAsk": 23, "Release": 24, "Ack": 25},
        **{"Put": 32, "Run": 33, "Start": 34, "Get": 35, "Command": 36, "Reply": 48},
    }
