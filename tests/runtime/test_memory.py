"""What a device remembers, in messages that fit whatever its texts are."""

from atoll.runtime.memory import Remembered, memory_messages
from atoll.wire.codec import decode, encode
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.messages import DatasetEntry, Mark, Past, ShardEntry, Standing

BIG = 2**63
HEAD = (2**32 - 1, BIG, 2**32 - 1)
NAME = "d" * 64


def test_nothing_is_one_message():
    (message,) = memory_messages((1, 2, 3), Remembered(4, [], [], []))
    assert message == (1, 2, 3, 4, False, [], [], [], [])


def test_everything_at_its_largest_fits_its_messages_and_is_all_there():
    datasets = [DatasetEntry(NAME, 65_535, 255, 2**32 - 1, BIG, 1 - BIG)] * 700
    shards = [ShardEntry(NAME, 2**32 - 1, 255, BIG, 2**32 - 1, BIG)] * 3_000
    marks = [Mark(f"{n:0128}", BIG) for n in range(1_000)]
    orders = [Standing(1, 1, 1, NAME, b"p" * 16_384, NAME, 2**32 - 1, 2**32 - 1, marks)] * 3
    pasts = [Past(NAME, "k" * 128, BIG, BIG, BIG, BIG, BIG)] * 900
    messages = memory_messages(HEAD, Remembered(9, datasets, shards, orders, pasts))
    assert all(len(encode(message)) <= MESSAGE_BYTES_MAX for message in messages)
    assert all(decode(encode(message)) == message for message in messages)
    assert [message.more for message in messages] == [True] * (len(messages) - 1) + [False]
    assert [entry for message in messages for entry in message.datasets] == datasets
    assert [entry for message in messages for entry in message.shards] == shards
    assert [entry for message in messages for entry in message.pasts] == pasts
    told = [entry for message in messages for entry in message.orders]
    assert [mark for entry in told for mark in entry.marks] == marks * 3
    assert {entry[:5] for entry in told} == {orders[0][3:8]}


def test_an_order_without_marks_is_told():
    order = Standing(1, 1, 1, "hum", b"p", "d", 100, 0, [])
    (message,) = memory_messages(HEAD, Remembered(9, [], [], [order]))
    assert [entry.job for entry in message.orders] == ["hum"]
