"""The checks by column: lists of lists are taken apart and put together again as they were."""

import pytest

from atoll.wire.columns import Refused, compile_check
from atoll.wire.messages import BlockRun, HeldStream, StreamInfo
from atoll.wire.schema import Array, Record, Text, Uint


def test_nested_lists_keep_their_lengths():
    check = compile_check(Array(Array(Uint(9), 3), 5), "x", outgoing=False)
    values = ([[1, 2], [], [3]], [], [[], [4, 5, 6]])
    assert check(values) == list(values)


def test_records_in_lists_in_records():
    info = ["d", "k", "i16", 1, 1.0, 1.0, "g"]
    run = [1, 2, 3, 4, 5, False, 6]
    check = compile_check(Array(Record(HeldStream), 4), "x", outgoing=False)
    (found,) = check(([[info, 1, [run, run]], [info, 2, []]],))
    assert found == [
        HeldStream(StreamInfo(*info), 1, [BlockRun(*run)] * 2),
        HeldStream(StreamInfo(*info), 2, []),
    ]
    assert type(found[0].runs[1]) is BlockRun


def test_a_refusal_names_the_field():
    check = compile_check(Array(Record(HeldStream), 4), "Held.streams", outgoing=False)
    with pytest.raises(Refused, match=r"Held\.streams\.info\.key: at most 128 bytes") as caught:
        check(([[["d", "k" * 129, "i16", 1, 1.0, 1.0, "g"], 1, []]],))
    assert caught.value.reason == "length"


def test_only_lists_are_arrays_on_the_way_in_and_tuples_too_on_the_way_out():
    incoming = compile_check(Array(Uint(9), 3), "x", outgoing=False)
    outgoing = compile_check(Array(Uint(9), 3), "x", outgoing=True)
    assert outgoing(((1, 2),)) == [[1, 2]]
    with pytest.raises(Refused, match="a list"):
        incoming(((1, 2),))


def test_a_text_is_measured_in_bytes():
    check = compile_check(Text(8), "x", outgoing=False)
    assert check(("水水", "abcdefgh")) == ("水水", "abcdefgh")
    with pytest.raises(Refused):
        check(("水水水",))
