from atoll.runtime.results import (
    BYTES_MAX,
    LANE_WIDTH,
    RESULT_OVERHEAD,
    RESULTS_MAX,
    RETRY_S,
    UNACKED_BYTES_MAX,
    UNACKED_MAX,
    WAIT_S,
    Batch,
    Results,
)
from atoll.wire.messages import NumberSpan, Result


def results(count, size=40):
    return [Result("k", number, False, bytes(size), 1) for number in range(count)]


def test_a_batch_closes_when_it_is_full():
    out = Results(1, [])
    assert out.add(Batch("a", False, results(RESULTS_MAX)), 0.0) == []
    [full] = out.add(Batch("a", False, results(1)), 0.0)
    assert len(full.results) == RESULTS_MAX
    big = out.add(Batch("b", False, results(10, 20_000)), 0.0)
    assert [len(batch.results) for batch in big] == [2, 2, 2, 2]
    assert all(sum(len(r.data) + RESULT_OVERHEAD for r in b.results) <= BYTES_MAX for b in big)


def test_a_result_larger_than_a_message_goes_alone():
    out = Results(1, [])
    ready = out.add(Batch("b", False, results(2, 200_000)), 0.0)
    assert [len(batch.results) for batch in ready] == [1]


def test_a_batch_closes_when_it_has_waited():
    out = Results(1, [])
    out.add(Batch("a", False, results(1)), 10.0)
    out.add(Batch("a", True, results(2)), 10.001)
    assert out.next_wakeup(linked=False) == 10.0 + WAIT_S
    assert out.due(10.0) == []
    assert [len(batch.results) for batch in out.due(10.0 + WAIT_S)] == [1]
    assert [len(batch.results) for batch in out.close("a", standing=True)] == [2]
    assert out.close("a", standing=True) == []
    assert out.flushed


def test_numbers_grow_across_boots():
    first, second = Results(1, []), Results(2, [])
    numbers = [first.number(), first.number(), second.number()]
    assert numbers == sorted(set(numbers))
    assert all(number < 2**64 for number in numbers)


def sent(out, count, now=0.0):
    numbers = [out.number() for _ in range(count)]
    for number in numbers:
        out.written(number, now, sent=True)
    return numbers


def test_the_backlog_goes_oldest_first_and_narrow():
    out = Results(3, [5, 1, 9, 7, 3, 11])
    assert out.resend(0.0) == [1, 3, 5, 7][:LANE_WIDTH]
    assert out.resend(0.0) == []
    new = sent(out, 1)  # new results do not wait for the lane
    assert out.acknowledged([NumberSpan(1, 3)]) == 2
    assert out.resend(0.1) == [9, 11]
    assert out.acknowledged([NumberSpan(0, 2**63)]) == 5
    assert out.backlog == 0
    assert out.idle
    assert out.acknowledged([NumberSpan(new[0], new[0])]) == 0


def test_without_an_acknowledgement_it_is_sent_again():
    out = Results(3, [])
    numbers = sent(out, 2, now=1.0)
    assert out.next_wakeup(linked=True) == 1.0 + RETRY_S
    assert out.next_wakeup(linked=False) is None
    assert out.resend(1.0 + RETRY_S) == numbers
    assert out.resend(2.0 + RETRY_S) == []
    assert out.resend(1.0 + 2 * RETRY_S) == numbers


def test_an_interruption_puts_everything_into_the_backlog():
    out = Results(3, [1, 2])
    out.resend(0.0)
    new = sent(out, 2)
    out.interrupted()
    assert out.resend(0.0) == [1, 2, *new]


def test_written_without_a_link_is_backlog():
    out = Results(3, [])
    number = out.number()
    out.written(number, 0.0, sent=False)
    assert out.resend(0.0) == [number]


def test_acknowledged_before_it_was_noted_as_written():
    out = Results(3, [])
    number = out.number()
    out.acknowledged([NumberSpan(number, number)])
    out.written(number, 0.0, sent=True)
    assert out.idle


def test_too_much_that_waits_is_full():
    out = Results(3, list(range(UNACKED_MAX - 1)))
    assert not out.full
    sent(out, 1)
    assert out.full
    out.gone(0)
    assert not out.full


def test_what_waited_in_vain_is_older_than_the_rest_and_goes_before_it():
    out = Results(3, list(range(1, 20)))
    assert out.resend(0.0) == [1, 2, 3, 4]
    assert out.resend(RETRY_S) == [1, 2, 3, 4], "their answers were lost: the oldest first again"
    out.acknowledged([NumberSpan(1, 4)])
    assert out.resend(RETRY_S) == [5, 6, 7, 8]


def test_it_is_full_by_bytes_too_and_has_room_again():
    out = Results(3, [1, 2], backlog_bytes=UNACKED_BYTES_MAX // 2)
    assert not out.full
    number = out.number(UNACKED_BYTES_MAX // 2)
    out.written(number, 0.0, sent=True)
    assert out.full
    assert out.backlog == 3
    out.acknowledged([NumberSpan(1, 1)])
    assert not out.full
    out.acknowledged([NumberSpan(0, 2**63)])
    assert out.backlog_bytes == 0
