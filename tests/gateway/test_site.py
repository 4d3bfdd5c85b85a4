"""A whole site under faults from a seed: real gateway, ledger, shell and device cores.

Loss, duplication and reordering on every message, devices and gateways killed at any moment: every
put is answered, every answer is complete and equals what one machine computes, byte for byte.
"""

import json
from array import array
from random import Random

import pytest
from gateway_site import MemorySite

from atoll.kernels import Plan
from atoll.transport.memory import Faults
from atoll.wire import messages as wire

PLAN = "window 256 hop=128 | rms | quantiles 0.5 0.99"
BAD = Faults(loss=0.1, duplication=0.2, reordering=0.3, jitter_s=0.3)


def made(tmp_path, seed, faults=BAD, names="abcd", **options):
    site = MemorySite(tmp_path, seed=seed, faults=faults, **options)
    for name in names:
        site.start_device(name)
    site.run_until(lambda: sum(m.serves for m in site.core.members.members.values()) == len(names))
    return site


def data_of(seed, streams=12):
    random = Random(seed)
    return {
        f"k{n}": array(
            "h", (random.randint(-3_000, 3_000) for _ in range(random.randint(200, 40_000)))
        ).tobytes()
        for n in range(streams)
    }


def wanted(data, text=PLAN):
    plan = Plan(text)
    pieces = [plan.partial(data[k], rate=1000.0, key=k, dtype="i16") for k in sorted(data)]
    return plan.merge(pieces)


def whole(site):
    """Whether every shard with data is on enough live devices, and nothing moves."""
    core = site.core
    shards = [s for s in core.catalog.all_shards() if s.streams]
    return not core.moves.under_way and all(
        core.moves.live_copies(s) >= 2 and set(s.owners) == set(s.goal) for s in shards
    )


def check(site, data):
    reply = site.answer(site.query(PLAN, "v"))
    assert reply.status == wire.DONE, reply.body[:400]
    assert reply.blob == wanted(data)


@pytest.mark.parametrize("seed", range(12))
def test_kills_and_a_lying_network_change_no_byte(tmp_path, seed):
    site = made(tmp_path, seed, BAD if seed % 4 else None)
    data = data_of(seed)
    puts = site.put("v", data)
    site.run(0.3)
    if seed % 2:
        site.kill_gateway()
        site.start_gateway()
    for number in puts:
        assert site.answer(number).status == wire.DONE
    query = site.query(PLAN, "v")
    site.run(0.05)
    victim = "abcd"[seed % 4]
    site.devices[victim].kill()
    if seed % 3 == 0:
        site.run(0.02)
        site.kill_gateway()
        site.start_gateway()
    reply = site.answer(query)
    assert (reply.status, reply.blob) == (wire.DONE, wanted(data))
    site.run_until(lambda: site.core.members.members[victim].state == "out" and whole(site))
    check(site, data)
    site.start_device(victim)
    site.run_until(lambda: whole(site) and site.core.members.members[victim].serves)
    check(site, data)
    counters = site.core._desk.counters
    assert [counters[name] for name in ("lost", "duplicated", "disagreed")] == [0, 0, 0]


def test_every_device_restarts_in_turn_during_queries(tmp_path):
    site = made(tmp_path, 3)
    data = data_of(3)
    for number in site.put("v", data):
        assert site.answer(number).status == wire.DONE
    for name in "abcd":
        query = site.query(PLAN, "v")
        site.run(0.03)
        site.devices[name].kill()
        site.start_device(name)
        reply = site.answer(query)
        assert (reply.status, reply.blob) == (wire.DONE, wanted(data))
        site.run_until(lambda name=name: site.core.members.members[name].serves and whole(site))


def test_the_broker_restarts_and_forgets_everything(tmp_path):
    site = made(tmp_path, 5, None)
    data = data_of(5)
    puts = site.put("v", data)
    site.broker.restart()
    for number in puts:
        assert site.answer(number).status == wire.DONE
    epoch = site.core.epoch
    query = site.query(PLAN, "v")
    site.run(0.01)
    site.broker.restart()
    reply = site.answer(query)
    assert (reply.status, reply.blob) == (wire.DONE, wanted(data))
    site.run(15.0)
    assert set(site.core.members.by_state()) == {"ready"}
    assert site.core.epoch == epoch
    assert site.core.moves.moved_bytes == 0


def test_a_drain_under_load(tmp_path):
    site = made(tmp_path, 8)
    data = data_of(8)
    for number in site.put("v", data):
        assert site.answer(number).status == wire.DONE
    site.command("drain", "b")
    check(site, data)
    site.run_until(lambda: not site.core.owners.owned["b"] and whole(site))
    site.run_until(lambda: not any(site.disks["b"].blocks.values()))
    check(site, data)


def live(site, name, count, *, seq=0):
    """Feed a device's own stream."""
    from atoll.runtime import events as on

    samples = array("h", (n % 500 for n in range(seq, seq + count))).tobytes()
    event = on.Sampled(
        "proc", [(f"{name}/cpu", samples)], count, int(site.broker.now * 1000),
        1_700_000_000_000 + int(site.broker.now * 1000), 2, False,
    )  # fmt: skip
    site.devices[name].feed(event)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_standing_job_over_live_streams_outlives_everybody(tmp_path, seed):
    site = MemorySite(tmp_path, seed=seed, faults=BAD)
    source = {
        name: [wire.StreamInfo("proc", f"{name}/cpu", "i16", 1, 100.0, 1.0, "")] for name in "ab"
    }
    for name in "abc":
        site.start_device(name, sources=source.get(name, ()))
    site.run_until(lambda: sum(m.serves for m in site.core.members.members.values()) == 3)
    live(site, "a", 50)
    live(site, "b", 50)
    site.run_until(lambda: "proc" in site.core.catalog.datasets, 200.0)
    site.answer(
        site.client.ask(lambda n: wire.Start(n, "hum", "window 10 | rms | moments", "proc", "50"))
    )
    done = {"a": 50, "b": 50}
    for turn in range(30):
        site.run(1.0)
        for name in "ab":
            live(site, name, 50, seq=done[name])
            done[name] += 50
        if turn == 10:
            site.kill_gateway()
            site.run(2.0)
            site.start_gateway()
        if turn == 20:
            site.devices["c"].kill()
            site.start_device("c")
    standing = site.core.standing.jobs["hum"]
    site.run_until(
        lambda: all(
            site.core.standing.jobs["hum"].streams[f"{n}/cpu"].mark >= done[n] - 100 for n in "ab"
        ),
        300.0,
    )
    shown = json.loads(site.client.results["hum"])
    assert set(shown["streams"]) <= {"a/cpu", "b/cpu"}
    assert shown["streams"]
    assert standing.failures == 0
    assert site.core._desk.counters["disagreed"] == 0
    site.run_until(lambda: whole(site), 200.0)


def test_a_site_of_forty_devices_answers(tmp_path):
    names = [f"d{n:02d}" for n in range(40)]
    site = made(tmp_path, 1, None, names=names, profile="normal")
    data = data_of(1, streams=30)
    for number in site.put("v", data):
        assert site.answer(number).status == wire.DONE
    for name in names[:3]:
        site.devices[name].kill()
    check(site, data)
