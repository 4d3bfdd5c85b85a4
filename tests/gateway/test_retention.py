"""Retention: set by a client, published in the map, carried out by devices, and nobody copies back
what one of them has let go.
"""

from array import array

import pytest
from gateway_fleet import Fleet
from test_inventory import sample

from atoll.gateway import runs
from atoll.gateway.ledger import Ledger
from atoll.gateway.ledger_check import check_ledger
from atoll.kernels import Plan
from atoll.wire import messages as wire

VALUES = array("h", range(100))


def fleet_of(**options):
    fleet = Fleet("a", "b", "c", **options)
    for index in range(6):
        fleet.put("v", {"k": VALUES.tobytes()}, index=index)
    fleet.run(1.0)
    return fleet


def entries(fleet, dataset="v"):
    return {
        (name, entry.shard): (entry.retention_s, entry.retention_bytes)
        for name, device in fleet.devices.items()
        for entry in device.map.shards
        if entry.dataset == dataset
    }


def let_go(fleet, name, first_seq, first_sample, key="k", dataset="v"):
    """A device drops blocks as its store does, and says so."""
    device = fleet.devices[name]
    for block in [b for b in device.blocks if b[:2] == (dataset, key) and b[2] < first_seq]:
        del device.blocks[block]
    past = wire.Past(dataset, key, 0, first_seq, first_sample, 99, 9_900)
    device.out.append(wire.LetGo(*device.head, [past]))
    fleet.settle()


def stream(fleet, key="k"):
    return fleet.core.catalog.datasets["v"].streams[key]


def test_it_is_published_in_the_map_under_a_new_epoch():
    fleet = fleet_of()
    epoch = fleet.core.epoch
    assert set(entries(fleet).values()) == {(0, 0)}
    answer = fleet.command("retention", "v 3600 1000000")
    assert answer == {"dataset": "v", "keep_s": 3600, "keep_bytes": 1_000_000}
    assert fleet.core.epoch == epoch + 1
    assert set(entries(fleet).values()) == {(3600, 1_000_000)}
    assert all(device.map.epoch == epoch + 1 for device in fleet.devices.values())
    assert ("retention", "v: 3600 s and 1000000 bytes are kept") in fleet.events


def test_a_question_changes_nothing_and_parts_stay():
    fleet = fleet_of()
    fleet.command("retention", "v 3600 1000000")
    epoch = fleet.core.epoch
    assert fleet.command("retention", "v - -")["keep_s"] == 3600
    assert fleet.core.epoch == epoch
    assert fleet.command("retention", "v 0 -") == {
        "dataset": "v", "keep_s": 0, "keep_bytes": 1_000_000,
    }  # fmt: skip
    (row,) = fleet.command("datasets")
    assert (row["keep_s"], row["keep_bytes"]) == (0, 1_000_000)


def test_bytes_are_shared_by_the_shards_that_hold_something():
    fleet = fleet_of()
    fleet.command("retention", "v 0 1000000")
    fleet.put("v", {f"n{n}": VALUES.tobytes() for n in range(30)}, put_id=b"n" * 16)
    fleet.run(1.0)
    filled = sum(1 for s in fleet.core.catalog.all_shards() if s.streams)
    assert filled > 10
    assert set(entries(fleet).values()) == {(0, 1_000_000 // filled)}


@pytest.mark.parametrize(
    "target", ["v", "v 1", "v x 1", "v 1 1 1", "v -1 0", f"v {2**32} 0", f"v 0 {2**63}", "w 1 1"]
)
def test_what_cannot_be_is_refused(target):
    fleet = fleet_of()
    assert "error" in fleet.command("retention", target)
    assert set(entries(fleet).values()) == {(0, 0)}


def test_what_one_replica_has_let_go_counts_nowhere_and_is_not_copied_back():
    fleet = fleet_of()
    fleet.command("retention", "v 3600 0")
    one, other = stream(fleet).held
    let_go(fleet, one, 3, 300)
    fleet.run(60.0)
    assert {d: [tuple(r)[:4] for r in held] for d, held in stream(fleet).held.items()} == {
        one: [(3, 5, 300, 300)], other: [(3, 5, 300, 300)],
    }  # fmt: skip
    assert fleet.core.moves.moved_bytes == 0
    reply = fleet.query("window 100 | rms | moments", "v")
    assert '"complete":true' in reply.body
    plan = Plan("window 100 | rms | moments")
    values = array("h", [*VALUES] * 3)
    expected = plan.partial(values, rate=1000.0, start=300, key="k")
    assert reply.blob == expected
    let_go(fleet, other, 2, 200)  # it lets go later, and less
    assert stream(fleet).floor == (3, 300)
    fleet.put("v", {"k": VALUES.tobytes()}, index=6)
    assert stream(fleet).tail_seq == 7


def test_everything_may_be_gone_and_the_stream_goes_on():
    fleet = fleet_of()
    fleet.command("retention", "v 60 0")
    for name in list(stream(fleet).held):
        let_go(fleet, name, 6, 600)
    assert stream(fleet).held == {}
    fleet.put("v", {"k": VALUES.tobytes()}, index=6)
    held = next(iter(stream(fleet).held.values()))
    assert tuple(held[0])[:4] == (6, 6, 600, 100)
    assert stream(fleet).anchors == [0]


def test_without_retention_it_is_refused_and_copied_back():
    fleet = fleet_of()
    one = next(iter(stream(fleet).held))
    let_go(fleet, one, 3, 300)
    assert fleet.command("status")["counters"]["refused"]["blocks let go without retention"] == 1
    assert stream(fleet).floor == (0, 0)
    fleet.devices[one].restart()
    fleet.devices[one].birth()
    fleet.devices[one].ask_lease()
    fleet.run(40.0)
    assert len([b for b in fleet.devices[one].blocks if b[:2] == ("v", "k")]) == 6


def test_it_outlives_the_gateway(tmp_path):
    ledger = Ledger(tmp_path)
    fleet = fleet_of(ledger=ledger)
    fleet.command("retention", "v 3600 5000")
    one, other = stream(fleet).held
    let_go(fleet, one, 3, 300)
    again = Fleet(ledger=ledger, rows=ledger.load(), now=fleet.now)
    again.requests = 50
    again.devices = fleet.devices
    epoch = again.core.epoch
    for device in again.devices.values():
        device.ask_lease()
    again.run(60.0)
    assert stream(again).floor == (3, 300)
    assert set(again.core.catalog.datasets["v"].streams["k"].held) == {one, other}
    assert len([b for b in again.devices[one].blocks if b[:2] == ("v", "k")]) == 3
    assert again.core.moves.moved_bytes == 0
    assert again.core.epoch == epoch
    assert check_ledger(tmp_path).whole
    ledger.close()


def test_live_streams_too():
    fleet = Fleet("a", "b", "c")
    for seq in range(4):
        sample(fleet, "a", seq, seq * 10, range(10), gap=seq == 0)
    fleet.run(1.0)
    fleet.command("retention", "proc 60 0")
    let_go(fleet, "a", 2, 20, key="a/cpu", dataset="proc")
    fleet.run(30.0)
    live = fleet.core.catalog.datasets["proc"].streams["a/cpu"]
    assert {tuple(r)[:4] for held in live.held.values() for r in held} == {(2, 3, 20, 20)}


def test_a_run_is_clipped_to_its_floor():
    run = wire.BlockRun(2, 5, 20, 40, 1_000, True, 400)
    assert runs.clipped(run, 2, 20, 10.0) == run
    assert runs.clipped(run, 0, 0, 10.0) == run
    assert runs.clipped(run, 4, 40, 10.0) == wire.BlockRun(4, 5, 40, 20, 3_000, False, 200)
    assert runs.clipped(run, 6, 60, 10.0) is None
    assert runs.clipped(run, 4, 40, 0.0).wall_ms == 1_000
