"""What all messages have in common."""

import cbor2

from atoll.wire import gateways
from atoll.wire.codec import decode, encode
from atoll.wire.messages import (
    DONE,
    FAILED,
    INCOMPLETE,
    PROGRESS,
    PROTOCOL,
    DatasetEntry,
    InventoryAsk,
    Map,
    ShardEntry,
)
from atoll.wire.schema import FIELDS, MESSAGES, NUMBERS

CLIENT_FIRST, GATEWAY_FIRST = 32, 56


def test_messages_to_and_from_a_device_begin_with_the_fences():
    for number, cls in MESSAGES.items():
        if number < CLIENT_FIRST and cls.__name__ != "Part":
            assert cls._fields[:3] == ("boot", "epoch", "lease"), cls


def test_messages_of_clients_begin_with_the_request():
    for number, cls in MESSAGES.items():
        if CLIENT_FIRST <= number < GATEWAY_FIRST:
            assert cls._fields[0] == "request", cls


def test_messages_of_gateways_are_in_a_module_that_no_device_loads():
    ours = {number: cls for number, cls in MESSAGES.items() if number >= GATEWAY_FIRST}
    assert {cls.__module__ for cls in ours.values()} == {gateways.__name__}


def test_type_numbers_fit_one_byte_after_the_head():
    assert all(0 < number < 256 for number in MESSAGES)


def test_every_class_says_what_it_is():
    assert all((cls.__doc__ or "").strip() for cls in FIELDS)
    assert all(not cls.__doc__.startswith(f"{cls.__name__}(") for cls in FIELDS)


def test_numbers_are_what_was_published():
    assert PROTOCOL == 2
    assert (DONE, PROGRESS, FAILED, INCOMPLETE) == (0, 1, 2, 3)
    assert {cls.__name__: number for cls, number in NUMBERS.items()} == {
        **{"Birth": 1, "LeaseRequest": 2, "Held": 3, "Stored": 4, "Partials": 5},
        **{"TransferFailed": 6, "Credential": 7, "Memory": 8, "LetGo": 9, "Blocks": 10, "Part": 11},
        **{"Lease": 16, "Probe": 17, "Map": 18, "Tasks": 19, "Standing": 20, "Cancel": 21},
        **{"SendBlocks": 22, "InventoryAsk": 23, "Release": 24, "Ack": 25, "Program": 26},
        **{"Again": 27},
        **{"Lead": 56, "Beat": 57, "Batch": 58, "Copy": 59, "Heard": 60},
        **{"Put": 32, "Run": 33, "Start": 34, "Get": 35, "Command": 36, "Reply": 48},
    }


def test_what_version_1_sends_is_read_with_the_defaults_of_version_2():
    entry = ShardEntry("d", 1, 0, 2, 0, 0)
    old_map = {0: 18, 1: 3, 2: 4, 3: 5, 4: [list(entry)]}
    assert decode(cbor2.dumps(old_map)) == Map(3, 4, 5, [entry], [])
    assert decode(cbor2.dumps({0: 23, 1: 3, 2: 4, 3: 5})) == InventoryAsk(3, 4, 5, False)


def test_what_version_2_has_added_stands_behind_what_version_1_knows():
    data = cbor2.loads(encode(InventoryAsk(3, 4, 5, True)))
    assert list(data) == [0, 1, 2, 3, 4]
    data = cbor2.loads(encode(Map(3, 4, 5, [], [DatasetEntry("d", 1, 1, 0, 0, 0)])))
    assert list(data) == [0, 1, 2, 3, 4, 5]
