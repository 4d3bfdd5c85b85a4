"""Stragglers: tasks of a slow device start again on a replica that has nothing to do.

A task is slow when it has been out for longer than times.py allows by this query's own
times, queues included: no machine's speed has to be known. Only devices without any task take such
tasks, so that starting again costs nobody anything, and each task starts again once. Tasks that
still wait here for a busy device are simply handed to the idle one. The first partial counts; the
second must have the same bytes. After MapReduce's backup tasks (Dean, Ghemawat 2004).
"""

from collections.abc import Callable, Iterable

from atoll.gateway.query import OPEN, Query

AGAIN_MAX = 256  # tasks that start again with one device at a time
LOOK_S = 0.1

# Whether a device has a query's task's samples and computes it as the gateway does.
Bears = Callable[[Query, int, str], bool]


def slow_tasks(query: Query, now: float) -> dict[str, list[int]]:
    """By device, the tasks that have been out for too long and have not started again, the oldest
    first.
    """
    limit = query.times.limit(len(query.tasks))
    if query.times.out_s(now) <= limit:
        return {}
    sent, found = query.times.sent, {}
    for device, flight in query.flights.items():
        slow = [
            n
            for n in flight
            if query.state[n] == OPEN
            and n not in query.again_out
            and now - sent.get(n, now) > limit
        ]
        if slow:
            found[device] = sorted(slow, key=lambda n: (sent[n], n))
    return found


def share_out(
    query: Query, slow: dict[str, list[int]], idle: Iterable[str], bears: Bears, most: int
) -> dict[str, list[int]]:
    """By idle device, the slow tasks that it takes: each once, evenly, none from itself, `most` at
    a time.
    """
    taken: dict[str, list[int]] = {device: [] for device in idle}
    for busy, numbers in slow.items():
        for number in numbers:
            able = [
                d for d in taken if d != busy and len(taken[d]) < most and bears(query, number, d)
            ]
            if able:
                taken[min(able, key=lambda d: (len(taken[d]), d))].append(number)
    return {device: numbers for device, numbers in taken.items() if numbers}
