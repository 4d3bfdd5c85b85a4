from device_rig import info_of

from atoll.runtime.effects import ReadBlocks
from atoll.runtime.transfers import TRANSFERS_MAX, Transfers, held_messages
from atoll.wire.codec import decode, encode
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.messages import BlockRange, BlockRun, HeldStream

RANGE = [BlockRange("d", "k", 0, 9)]
BIG = 2**63


def test_one_after_the_other():
    transfers = Transfers()
    assert transfers.next() is None
    for number in (7, 8, 7):
        assert transfers.add(number, RANGE) == ""
    assert transfers.next() == ReadBlocks(7, RANGE)
    assert transfers.next() is None
    transfers.finish()
    assert transfers.next() == ReadBlocks(8, RANGE)
    transfers.finish()
    assert transfers.next() is None


def test_too_many_are_refused():
    transfers = Transfers()
    for number in range(TRANSFERS_MAX):
        assert transfers.add(number, RANGE) == ""
    assert "transfers wait" in transfers.add(999, RANGE)


def test_lists_fit_their_messages():
    info = info_of("k" * 128)._replace(dataset="d" * 64, unit="u" * 16)
    runs = [BlockRun(BIG + i, BIG + i, BIG, BIG, 1 - BIG, True, BIG) for i in range(100)]
    streams = [HeldStream(info, 2**32 - 1, runs) for _ in range(70)]
    messages = held_messages((2**32 - 1, BIG, 2**32 - 1), streams, inventory=True)
    assert all(len(encode(message)) <= MESSAGE_BYTES_MAX for message in messages)
    assert all(decode(encode(message)) == message for message in messages)
    assert [message.more for message in messages] == [True] * (len(messages) - 1) + [False]
    listed = [run for message in messages for stream in message.streams for run in stream.runs]
    assert listed == runs * 70


def test_many_short_streams():
    streams = [
        HeldStream(info_of(f"k{i}"), i, [BlockRun(0, 0, 0, 9, 0, False, 9)]) for i in range(2_000)
    ]
    messages = held_messages((1, 1, 1), streams, inventory=False)
    assert [stream for message in messages for stream in message.streams] == streams
    assert all(len(encode(message)) <= MESSAGE_BYTES_MAX for message in messages)
    assert not any(message.more or message.inventory for message in messages)


def test_an_empty_inventory_is_said():
    assert len(held_messages((1, 1, 1), [], inventory=True)) == 1
    assert held_messages((1, 1, 1), [], inventory=False) == []
