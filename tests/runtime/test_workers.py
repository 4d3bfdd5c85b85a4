import queue
from array import array

import pytest
from device_rig import block_of, info_of

from atoll.kernels import Plan
from atoll.runtime.effects import Compute
from atoll.runtime.files import SystemFiles
from atoll.runtime.store import Store
from atoll.runtime.workers import CHUNK_MIN, Workers, read_shape
from atoll.wire.messages import Task

A = info_of("a")
SAMPLES = array("h", [(number * 37) % 2_001 - 1_000 for number in range(4_000)])


@pytest.fixture
def store(tmp_path):
    made = Store(str(tmp_path), SystemFiles(), reserve_bytes=0)
    for seq in range(4):
        data = SAMPLES[seq * 1_000 : seq * 1_000 + 1_000].tobytes()
        made.stage(block_of(A, seq, seq * 1_000, data), 1)
    made.commit()
    return made


def computed(store, work, count=1):
    events = queue.SimpleQueue()
    workers = Workers(count, store)
    workers.start(events.put)
    workers.compute(work)
    results = {}
    while len(results) < len(work.tasks):
        event = events.get(timeout=10)
        assert (event.job, event.standing) == (work.job, work.standing)
        results |= {result.task: result for result in event.results}
    workers.close()
    return results


def work(plan, tasks, job="q"):
    return Compute(job, plan.canonical, "vibration", tasks, False)


@pytest.mark.parametrize("threads", [1, 3])
def test_results_are_those_of_the_plan_on_the_same_samples(store, threads):
    plan = Plan("window 64 hop=32 | rms | quantiles 0.5")
    cuts = [(at, min(at + 320 + plan.overlap, 4_000)) for at in range(0, 3_968, 320)]
    tasks = [Task("a", number, 0, *cut) for number, cut in enumerate(cuts)]
    results = computed(store, work(plan, tasks), threads)
    assert not any(result.failed for result in results.values())
    assert plan.merge(result.data for result in results.values()) == plan.partial(SAMPLES)


def test_chunks_go_to_all_threads(store):
    plan = Plan("count")
    tasks = [Task("a", number, 0, 0, 10) for number in range(CHUNK_MIN * 4)]
    assert len(computed(store, work(plan, tasks), 4)) == CHUNK_MIN * 4


def test_what_is_missing_fails_its_task_only(store):
    plan = Plan("count")
    tasks = [Task("a", 0, 0, 0, 10), Task("a", 1, 0, 3_990, 4_010), Task("b", 2, 0, 0, 10)]
    results = computed(store, work(plan, tasks))
    assert [results[number].failed for number in range(3)] == [False, True, True]
    assert b"stream vibration/b: samples 0 to 10 are not here" in results[2].data


def test_a_plan_that_cannot_run_fails_its_tasks(store):
    plan = Plan("window 64 hop=32 | rms | quantiles 0.5")
    results = computed(store, work(plan, [Task("a", 0, 0, 7, 200)]))
    assert results[0].failed
    assert b"multiples of 32" in results[0].data
    nonsense = Compute("q", b"no plan", "vibration", [Task("a", 0, 0, 0, 10)], False)
    assert computed(store, nonsense)[0].failed


def test_a_forgotten_job_is_left_out(store):
    events = queue.SimpleQueue()
    workers = Workers(1, store)
    plan = Plan("count")
    workers.compute(work(plan, [Task("a", 0, 0, 0, 10)], "old"))
    workers.compute(work(plan, [Task("a", 0, 0, 0, 10)], "new"))
    workers.forget("old")
    workers.start(events.put)
    workers.close()
    assert events.get(timeout=10).job == "new"
    assert events.empty()
    assert workers.task_us >= 0


def test_the_shape_of_a_plan():
    plan = Plan("window 64 hop=32 | rms | quantiles 0.5")
    assert read_shape(plan.canonical) == (32, 32, 64, False)
    assert read_shape(Plan("ema 0.5 | sum").canonical) == (1, 0, 1, True)
    with pytest.raises(ValueError, match="what no plan has"):
        read_shape(b"no plan")
