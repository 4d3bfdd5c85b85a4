"""Why a shard is where it is, for each reason that there is."""

from gateway_data import data_of, filled

from atoll.gateway.why import why_shard


def whys(fleet, number):
    core = fleet.core
    shard = core.catalog.datasets["v"].shards[number]
    return why_shard(shard, core.owners, core.members, core.catalog)


def test_the_walk_tells_of_each_device_that_it_meets():
    fleet = filled("a", "b", "c", data=data_of(8), profile="demo")
    fleet.add("a2", zone="a")
    fleet.run(3.0)
    seen = set()
    for number in range(64):
        answer = whys(fleet, number)
        assert [s["device"] for s in answer["walk"] if s["ideal"]] == answer["ideal"]
        assert answer["walk"][-1]["said"] == "replica 2 of 2"
        seen |= {step["said"] for step in answer["walk"]}
    assert seen == {"replica 1 of 2", "replica 2 of 2", "zone a has a replica"}


def test_overrides_and_who_is_to_leave():
    fleet = filled("a", "b", "c", "d", data=data_of(8), profile="demo")
    fleet.cut.add("d")
    fleet.run(8.0)
    fleet.cut.discard("d")
    fleet.devices["d"].ask_lease()
    fleet.settle()
    lines = [line for n in range(64) for line in whys(fleet, n)["why"]]
    assert any("an override" in line for line in lines)
    shard = fleet.core.catalog.datasets["v"].shards[0]
    shard.goal = shard.owners[1:]
    assert whys(fleet, 0)["why"][0] == f"{shard.owners[0]}: it is to leave"
