"""What devices say they hold: live streams, lists after a start, lists that got lost."""

from array import array

from gateway_fleet import WALL, Fleet

from atoll.gateway import events as on
from atoll.gateway import inventory, runs
from atoll.gateway.catalog import pinned_shard
from atoll.gateway.member import State
from atoll.wire import messages as wire
from atoll.wire.block import Block, encode_block


def live_block(key, seq, first, values, *, gap=False):
    info = wire.StreamInfo("proc", key, "i16", 1, 10.0, 1.0, "")
    data = array("h", values).tobytes()
    wall = WALL + first * 100
    block = Block(info, pinned_shard(key), seq, first, len(values), 1, 0, wall, 2, gap, data)
    return info, encode_block(block)


def sample(fleet, name, seq, first, values, *, gap=False):
    device = fleet.devices[name]
    info, data = live_block(f"{name}/cpu", seq, first, values, gap=gap)
    device.blocks["proc", f"{name}/cpu", seq] = data
    run = wire.BlockRun(seq, seq, first, len(values), WALL + first * 100, gap, len(data))
    held = wire.HeldStream(info, pinned_shard(f"{name}/cpu"), [run])
    device.out.append(wire.Held(*device.head, False, False, [held]))
    fleet.settle()


def test_a_live_stream_is_copied_as_it_grows_and_its_sampler_acts():
    fleet = Fleet("a", "b", "c")
    for seq in range(5):
        sample(fleet, "a", seq, seq * 10, range(10))
    fleet.run(1.0)
    (shard,) = fleet.core.catalog.datasets["proc"].shards.values()
    assert shard.owners[0] == "a"
    assert len(shard.owners) == 2
    copy = fleet.devices[shard.owners[1]]
    assert len([1 for dataset, _, _ in copy.blocks if dataset == "proc"]) == 5
    assert fleet.command("status")["replicas_min"] == 2
    reply = fleet.query("count", "proc")
    assert b"50" in reply.body.encode()


def test_a_live_streams_replica_acts_while_its_sampler_is_dead():
    fleet = Fleet("a", "b", "c", profile="demo")
    sample(fleet, "a", 0, 0, range(10))
    fleet.run(1.0)
    fleet.cut.add("a")
    fleet.run(2.5)
    (shard,) = fleet.core.catalog.datasets["proc"].shards.values()
    assert shard.owners[0] != "a"
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.run(1.0)
    assert shard.owners[0] == "a"


def test_only_its_own_device_may_announce_a_live_stream():
    fleet = Fleet("a", "b")
    info, data = live_block("a/cpu", 0, 0, range(10))
    held = wire.HeldStream(
        info, pinned_shard("a/cpu"), [wire.BlockRun(0, 0, 0, 10, 0, False, len(data))]
    )
    device = fleet.devices["b"]
    fleet.handle(on.DeviceSpoke("b", wire.Held(*device.head, False, False, [held]), 0))
    assert fleet.command("datasets") == []
    assert fleet.core._desk.refused == {"holding of no dataset": 1}


def test_a_clients_put_does_not_write_a_live_stream():
    fleet = Fleet("a", "b")
    sample(fleet, "a", 0, 0, range(10))
    reply = fleet.put("proc", {"a/cpu": b"\0\0"}, rate=10.0)
    assert reply.status == wire.FAILED
    assert "live" in reply.body


def filled(*names):
    fleet = Fleet(*names)
    fleet.put("v", {f"k{n}": array("h", range(n, n + 50)).tobytes() for n in range(20)})
    return fleet


def reborn(fleet, name):
    device = fleet.devices[name]
    device.restart()
    device.birth()
    device.ask_lease()


def test_a_new_boot_is_asked_for_its_list_once():
    fleet = filled("a", "b")
    fleet.devices["a"].told.clear()
    reborn(fleet, "a")
    fleet.run(1.0)
    asked = [m for m in fleet.devices["a"].told if isinstance(m, wire.InventoryAsk)]
    assert len(asked) == 1
    assert fleet.core.inventory._lists == {}


def test_a_list_that_lost_a_part_takes_nothing_off_the_books():
    fleet = filled("a", "b")
    device = fleet.devices["a"]
    whole = device.held
    device.held = lambda: whole()[:3]  # once; the second list is whole again
    before = {key: dict(s.held) for key, s in fleet.core.catalog.datasets["v"].streams.items()}
    reborn(fleet, "a")
    spoke = fleet.handle

    def heal(event):
        spoke(event)
        device.held = whole

    fleet.handle = heal
    fleet.run(1.0)
    after = {key: dict(s.held) for key, s in fleet.core.catalog.datasets["v"].streams.items()}
    assert after == before
    asked = [m for m in device.told if isinstance(m, wire.InventoryAsk) and m.epoch]
    assert len(asked) >= 2, "the short list was doubted"
    assert "streams missed by inventory" not in fleet.core._desk.counters


def test_a_list_that_never_comes_is_asked_for_again():
    fleet = filled("a", "b")
    device = fleet.devices["a"]
    device._inventoryask = lambda message: None
    reborn(fleet, "a")
    fleet.run(1.0)
    assert "a" in fleet.core.inventory._lists
    del device._inventoryask
    fleet.run(inventory.ASK_AGAIN_S + 1.0)
    assert fleet.core.inventory._lists == {}


def test_a_list_that_nobody_asked_for_removes_nothing():
    fleet = filled("a", "b")
    device = fleet.devices["a"]
    held = {key: dict(s.held) for key, s in fleet.core.catalog.datasets["v"].streams.items()}
    fleet.handle(on.DeviceSpoke("a", wire.Held(*device.head, True, False, []), 0))
    assert held == {k: dict(s.held) for k, s in fleet.core.catalog.datasets["v"].streams.items()}


def test_blocks_of_a_removed_dataset_are_not_taken_back():
    fleet = filled("a", "b")
    device = fleet.devices["a"]
    listed = device.held()
    fleet.command("rm", "v")
    fleet.handle(on.DeviceSpoke("a", wire.Held(*device.head, False, False, listed), 0))
    assert fleet.command("datasets") == []


def test_a_rotten_block_is_copied_again_from_a_replica():
    fleet = Fleet("a", "b", "c")
    for seq in range(5):
        sample(fleet, "a", seq, seq * 10, range(10))
    fleet.run(1.0)
    (shard,) = fleet.core.catalog.datasets["proc"].shards.values()
    copy = fleet.devices[shard.owners[1]]
    good = copy.blocks.pop(("proc", "a/cpu", 2))  # damaged: not listed any more
    runs = []
    for seq in (0, 1, 3, 4):
        data = copy.blocks["proc", "a/cpu", seq]
        runs.append(wire.BlockRun(seq, seq, seq * 10, 10, WALL + seq * 1_000, False, len(data)))
    info = live_block("a/cpu", 0, 0, range(10))[0]
    held = wire.HeldStream(info, pinned_shard("a/cpu"), runs)
    copy.out.append(wire.Held(*copy.head, True, False, [held]))  # unasked
    fleet.settle()
    fleet.run(2.0)
    assert copy.blocks["proc", "a/cpu", 2] == good


def test_a_list_that_a_release_has_overtaken_is_not_believed():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=2)
    (stream,) = fleet.core.catalog.datasets["v"].streams.values()
    shard = fleet.core.catalog.datasets["v"].shards[stream.shard]
    name = shard.owners[1]
    device = fleet.devices[name]
    held = [wire.HeldStream(stream.info, stream.shard, list(stream.held[name]))]
    before = wire.Held(*device.head, True, False, held)
    blocks = dict(device.blocks)
    shard.goal = (shard.owners[0], next(d for d in fleet.devices if d not in shard.owners))
    fleet.core.moves.look(shard)
    device.mute = True
    fleet.run(3.0)
    assert name not in stream.held, "it was released"
    fleet.core.inventory.ask(name)
    fleet.handle(on.DeviceSpoke(name, before, 0))
    assert name not in stream.held
    device.told.clear()
    fleet.run(1.0)
    assert any(isinstance(m, wire.InventoryAsk) for m in device.told), "and asked for again"
    device.told.clear()
    device.blocks |= blocks
    fleet.handle(on.DeviceSpoke(name, before._replace(epoch=fleet.core.epoch), 0))
    fleet.run(1.0)
    told = [type(message) for message in device.told]
    assert wire.Release in told, "that one knows of the release: it was lost, and is said again"
    assert not device.blocks


def test_blocks_that_their_only_known_holder_has_lost_are_sought_with_the_other_owners():
    """One of them may have them: its confirmation was lost, and the source then."""
    fleet = Fleet("a", "b")
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=2)
    (stream,) = fleet.core.catalog.datasets["v"].streams.values()
    one, other = fleet.core.catalog.datasets["v"].shards[stream.shard].owners
    fleet.core.catalog.drop_runs(other, stream)  # its word of it was lost
    fleet.devices[one].blocks.clear()
    fleet.core.inventory.ask(one)
    fleet.run(2.0)
    assert set(stream.held) == {one, other}
    assert set(fleet.devices[one].blocks) == set(fleet.devices[other].blocks) != set()


def test_a_list_is_asked_for_again_when_a_suspect_device_is_back():
    """It was asked for it before its connection broke, and has not heard of that."""
    fleet = Fleet("a", "b")
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=2)
    device = fleet.devices["a"]
    before = dict(device.blocks)
    device.blocks.clear()  # a disk came back empty
    fleet.cut.add("a")
    fleet.core.inventory.ask("a")
    fleet.handle(on.StatusSeen("a", "lost", 1, 0))
    fleet.cut.discard("a")
    fleet.run(2.0 * inventory.ASK_AGAIN_S)
    assert fleet.core.members.members["a"].state is State.READY
    assert device.blocks == before


def leaving(fleet):
    """A stream of two copies, and a third on a device that is to release it."""
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=2)
    (stream,) = fleet.core.catalog.datasets["v"].streams.values()
    shard = fleet.core.catalog.datasets["v"].shards[stream.shard]
    one, out = shard.owners
    return stream, shard, one, out, next(d for d in fleet.devices if d not in shard.owners)


def test_a_copy_is_not_released_while_an_owners_list_is_to_come():
    """The owner's disk was exchanged: the ledger still says that it has everything."""
    fleet = Fleet("a", "b", "c")
    _, shard, one, out, other = leaving(fleet)
    shard.goal = (one, other)
    fleet.devices[one].blocks.clear()
    fleet.core.inventory.ask(one)
    fleet.core.moves.look(shard)
    fleet.run(5.0)
    assert fleet.devices[one].blocks
    assert fleet.devices[one].blocks == fleet.devices[other].blocks
    assert not fleet.devices[out].blocks, "and is, once all is where it shall be"


def test_an_owner_that_lost_its_disk_again_is_no_reason_to_release():
    """It is back, and is believed to have what it had until its list is in."""
    fleet = Fleet("a", "b", "c")
    stream, shard, one, out, other = leaving(fleet)
    fleet.devices[other].blocks |= fleet.devices[out].blocks
    fleet.core.catalog.add_run(other, stream, stream.held[out][0])
    fleet.devices[one].blocks.clear()
    fleet.devices[other].blocks.clear()
    fleet.core.inventory.ask(one)
    fleet.core.inventory.ask(other)
    shard.goal = (one, other)
    fleet.core.moves.look(shard)
    fleet.run(5.0)
    assert fleet.devices[one].blocks
    assert fleet.devices[one].blocks == fleet.devices[other].blocks


def test_what_a_device_may_have_is_not_released_before_it_has_said_so():
    """The only known holder has lost it; who leaves has it, is silent just now, and is asked when
    it is heard again, before it is told to delete anything.
    """
    fleet = Fleet("a", "b", "c")
    stream, shard, one, out, other = leaving(fleet)
    fleet.put("v", {"k": b"\2\0" * 100}, replicas=2, put_id=b"2" * 16)
    before = dict(fleet.devices[out].blocks)
    (listed,) = fleet.devices[out].held()
    fleet.core.catalog.drop_runs(out, stream, listed.runs[1:])  # its word of the first was lost
    del fleet.devices[one].blocks["v", "k", 0]
    fleet.devices[other].blocks["v", "k", 1] = before["v", "k", 1]
    fleet.core.catalog.add_run(other, stream, listed.runs[1])
    fleet.cut.add(out)
    fleet.handle(on.StatusSeen(out, "lost", 1, 0))
    fleet.core.inventory.ask(one)
    fleet.run(0.5)
    assert [run.first_seq for run in stream.all_runs()] == [1], "nobody is known to have the other"
    fleet.cut.discard(out)
    shard.goal = (one, other)
    fleet.devices[out].ask_lease()
    fleet.run(0.2 * inventory.ASK_AGAIN_S)
    assert fleet.devices[one].blocks == fleet.devices[other].blocks == before
    assert not fleet.devices[out].blocks


def test_a_list_that_a_confirmation_has_overtaken_takes_nothing_off_the_books():
    """Both lists were made before the second block came, and were long on their way."""
    fleet = Fleet("a", "b")
    fleet.put("v", {"k": b"\1\0" * 100}, replicas=2)
    (stream,) = fleet.core.catalog.datasets["v"].streams.values()
    device = fleet.devices["a"]
    device._inventoryask = lambda message: None  # its lists are on their way
    old = wire.Held(*device.head, True, False, device.held())
    fleet.core.inventory.ask("a")
    for word in (b"\2\0", b"\3\0"):
        fleet.put("v", {"k": word * 100}, replicas=2, put_id=word * 8)
        fleet.handle(on.DeviceSpoke("a", old, fleet.wall))
    assert runs.missing(stream.all_runs(), stream.held["a"]) == []
    assert [(run.first_seq, run.last_seq) for run in stream.held["a"]] == [(0, 2)]


class Uncounted(dict):
    """Lists under way that nobody goes through."""

    def values(self):
        raise AssertionError("all lists are gone through")

    items = values


def test_an_event_costs_the_same_however_many_lists_are_under_way():
    """Each event went through all of them: 10,000 devices at a gateway were too many."""
    fleet = filled("a", "b", "c")
    lists = fleet.core.inventory
    for name in "bc":
        fleet.devices[name]._inventoryask = lambda message: None
    for name in "abc":
        lists.ask(name)
    lists._lists = Uncounted(lists._lists)
    fleet.run(3 * inventory.ASK_AGAIN_S)
    assert sorted(lists._lists) == ["b", "c"]
    asked = [m for m in fleet.devices["b"].told if isinstance(m, wire.InventoryAsk)]
    assert len(asked) >= 3
    for name in "bc":
        del fleet.devices[name]._inventoryask
    fleet.run(inventory.ASK_AGAIN_S + 1.0)
    assert (lists.under_way, lists.next_due()) == (0, None)
