"""Repair, drain, joining, release: copy, verify, switch, and never fewer copies than before."""

from array import array

from gateway_fleet import Fleet

from atoll.gateway import events as on
from atoll.gateway.moves import _Down
from atoll.kernels import Plan
from atoll.wire import messages as wire

STREAMS = {f"k{n}": array("h", range(n, n + 300)) for n in range(30)}


def filled(*names, profile="demo"):
    fleet = Fleet(*names, profile=profile)
    for number, (key, values) in enumerate(STREAMS.items()):
        fleet.put("v", {key: values.tobytes()}, put_id=number.to_bytes(16, "big"))
    return fleet


def copies(fleet, live):
    """By stream: how many of the live devices really have its block on their disk."""
    return {
        key: sum(any(k == key for _, k, _ in fleet.devices[name].blocks) for name in live)
        for key in STREAMS
    }


def reference():
    plan = Plan("moments")
    return plan.merge([plan.partial(v, rate=1000.0, key=k) for k, v in sorted(STREAMS.items())])


def owners_of(fleet):
    return {s.id: set(s.owners) for s in fleet.core.catalog.all_shards()}


def test_a_lost_devices_shards_are_copied_from_the_survivors():
    fleet = filled("a", "b", "c", "d")
    before = owners_of(fleet)
    fleet.cut.add("a")
    fleet.run(10.0)
    assert fleet.states()["a"] == "out"
    assert set(copies(fleet, "bcd").values()) == {2}
    status = fleet.command("status")
    assert status["replicas_min"] == 2
    assert status["takeovers"][0]["restored_s"] > 0
    for shard, owners in owners_of(fleet).items():
        assert "a" not in owners
        assert before[shard] - {"a"} <= owners, "only what was lost has moved"
    assert fleet.query("moments", "v").blob == reference()


def test_a_short_absence_moves_nothing():
    fleet = filled("a", "b", "c", "d", profile="normal")
    before, epoch = owners_of(fleet), None
    fleet.cut.add("a")
    fleet.run(60.0)
    assert fleet.states()["a"] == "dead"
    epoch = fleet.core.epoch
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.run(10.0)
    assert owners_of(fleet) == before
    assert fleet.core.epoch == epoch
    assert fleet.core.moves.moved_bytes == 0


def test_the_dead_do_not_act_and_the_acting_owner_comes_first():
    fleet = filled("a", "b", "c", "d", profile="normal")
    fleet.cut.add("a")
    fleet.run(15.0)
    assert all(s.owners[0] != "a" for s in fleet.core.catalog.all_shards())
    for name in "bcd":
        for entry in fleet.devices[name].map.shards:
            shard = fleet.core.catalog.datasets["v"].shards[entry.shard]
            assert shard.owners[entry.role] == name


def test_a_drained_device_is_emptied_and_keeps_serving_until_then():
    fleet = filled("a", "b", "c", "d")
    answer = fleet.command("drain", "a")
    assert answer["shards"] > 0
    fleet.run(5.0)
    assert set(copies(fleet, "bcd").values()) == {2}
    assert not fleet.devices["a"].blocks, "released once its data was safe elsewhere"
    assert fleet.core.owners.owned["a"] == {}
    assert fleet.states()["a"] == "ready"
    assert fleet.query("moments", "v").blob == reference()


def test_what_is_sent_after_a_release_is_of_a_later_epoch():
    """Blocks that overtake the order to delete are told from those that it is about."""
    fleet = filled("a", "b", "c")
    fleet.command("drain", "a")
    fleet.run(30.0)
    orders = [m for m in fleet.devices["a"].told if isinstance(m, wire.Release)]
    assert orders
    fleet.devices["a"].ask_lease()
    fleet.settle()
    later = fleet.devices["a"].told[-1]
    assert later.epoch > orders[-1].epoch


def test_an_undrained_device_may_hold_again():
    fleet = filled("a", "b", "c")
    fleet.command("drain", "a")
    fleet.run(3.0)
    fleet.command("undrain", "a")
    fleet.add("d")
    fleet.run(3.0)
    assert fleet.command("devices")[0]["state"] == "ready"
    assert set(copies(fleet, "abcd").values()) == {2}


def test_the_last_device_cannot_be_drained():
    fleet = filled("a")
    reply = fleet.ask(wire.Command(fleet.number(), "drain", "a"))
    assert reply.status == wire.FAILED
    assert "nowhere to go" in reply.body


def test_a_new_device_gets_a_share_and_the_rest_stays():
    fleet = filled("a", "b", "c")
    before = owners_of(fleet)
    fleet.add("d")
    fleet.run(5.0)
    gained = fleet.core.owners.owned["d"]
    assert 16 <= len(gained) <= 33
    for shard, owners in owners_of(fleet).items():
        if shard not in gained:
            assert owners == before[shard]
    assert set(copies(fleet, "abcd").values()) == {2}
    assert fleet.query("moments", "v").blob == reference()


def test_a_second_device_makes_the_second_copy():
    fleet = filled("a")
    assert fleet.command("status")["replicas_min"] == 1
    fleet.add("b")
    fleet.run(5.0)
    assert set(copies(fleet, "ab").values()) == {2}
    assert fleet.command("status")["shards_short"] == 0


def test_no_copy_is_released_before_the_new_one_is_synced():
    fleet = filled("a", "b", "c")
    fleet.devices["d"] = None
    del fleet.devices["d"]
    device = fleet.add("d")
    fleet.run(5.0)
    fleet.command("drain", "a")
    deaf = device._blocks
    assert deaf
    for name in "bcd":
        fleet.devices[name]._blocks = lambda message: None
    fleet.run(3.0)
    assert min(copies(fleet, "abcd").values()) >= 2
    for name in "bcd":
        del fleet.devices[name]._blocks
    fleet.run(30.0)
    assert set(copies(fleet, "bcd").values()) == {2}


def test_a_source_that_lacks_its_blocks_is_found_out():
    fleet = filled("a", "b", "c")
    fleet.devices["b"].blocks.clear()
    fleet.cut.add("a")
    fleet.run(60.0)
    lost = {key for key, count in copies(fleet, "bc").items() if count < 2}
    held = fleet.core.catalog.datasets["v"].streams
    for key in STREAMS:
        assert ("b" in held[key].held) == any(k == key for _, k, _ in fleet.devices["b"].blocks)
    assert all(not any(k == key for _, k, _ in fleet.devices["c"].blocks) for key in lost)


def test_a_disk_that_was_replaced_is_filled_again():
    fleet = filled("a", "b", "c")
    device = fleet.devices["a"]
    device.restart(lose_blocks=True)
    device.birth()
    device.ask_lease()
    fleet.run(5.0)
    assert set(copies(fleet, "abc").values()) == {2}
    assert fleet.core._desk.counters["streams missed by inventory"] > 0


def test_steps_are_bounded():
    fleet = filled("a", "b", "c", "d")
    most = 0
    take = fleet.core.moves._start

    def watch(*arguments):
        nonlocal most
        done = take(*arguments)
        most = max(most, len(fleet.core.moves._steps))
        assert max(fleet.core.moves._busy.values(), default=0) <= 2
        return done

    fleet.core.moves._start = watch
    fleet.cut.add("a")
    fleet.run(10.0)
    assert 1 <= most <= 8
    assert fleet.core.moves._busy == {}
    assert fleet.core.moves._pairs == set()
    assert fleet.core.moves._downs == {}


def test_blocks_that_nobody_asked_for_are_refused():
    fleet = filled("a", "b")
    device = fleet.devices["a"]
    data = next(iter(device.blocks.values()))
    fleet.handle(on.DeviceSpoke("a", wire.Blocks(*device.head, 12345, False, [data]), 0))
    assert fleet.core._desk.refused == {"blocks of no transfer": 1}


def test_a_copy_whose_only_sources_rest_is_made_when_they_have_rested():
    """One that has rested, and has nothing of it, made the shard be forgotten."""
    fleet = Fleet("a", "b", "c", "d", profile="normal")
    fleet.put("v", {"k": b"\1\0" * 500}, replicas=4)
    for name in "cd":
        fleet.devices[name].restart(lose_blocks=True)
    for name in "ab":
        fleet.core.moves.pace.ended((name,), 2, fleet.now - 1.0, fleet.now, 1)
    for name in "cd":
        fleet.devices[name].birth()
        fleet.devices[name].ask_lease()
    fleet.settle()
    fleet.run(2.0)
    assert not fleet.devices["c"].blocks, "its sources rest for three seconds"
    fleet.run(20.0)
    assert fleet.devices["c"].blocks
    assert fleet.devices["d"].blocks


def test_a_step_ends_when_its_target_is_not_wanted_any_more():
    fleet = filled("a", "b", "c", profile="normal")
    fleet.add("d")
    fleet.devices["d"].take = fleet.devices["d"].told.append  # it hears, and answers nothing
    fleet.command("drain", "a")
    fleet.run(1.0)
    assert fleet.core.moves.under_way
    fleet.command("undrain", "a")
    fleet.command("drain", "d")
    fleet.run(1.0)
    assert fleet.core._desk.counters.get("moves cancelled", 0) > 0
    fleet.run(30.0)
    assert not fleet.core.moves.under_way
    assert set(copies(fleet, "abc").values()) == {2}


def test_what_is_confirmed_of_a_cancelled_step_after_a_release_is_not_there():
    fleet = filled("a", "b", "c")
    moves = fleet.core.moves
    shard = next(s for s in fleet.core.catalog.all_shards() if s.streams)
    (stream, *_) = shard.streams.values()
    (other,) = (d for d in fleet.devices if d not in shard.owners)
    run = stream.held[shard.owners[0]][0]
    for number in (7, 8):
        moves._late[number] = (other, _Down(99, [(stream, run)]))
    assert moves.stored(other, wire.Stored(1, 1, 1, 7, []))
    assert other in stream.held
    moves.look(shard)
    fleet.handle(on.Woken(0))
    assert other not in stream.held, "it was released"
    assert not moves.stored(other, wire.Stored(1, 1, 1, 8, []))
    assert other not in stream.held
