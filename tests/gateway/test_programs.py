"""Standing jobs on devices that take programs: what they are told, how their runs are merged."""

import json
from array import array

from gateway_fleet import Fleet

from atoll.gateway.ledger import Ledger
from atoll.gateway.member import numbers_of
from atoll.gateway.programs import programs
from atoll.gateway.records import StandingSet
from atoll.kernels import Plan
from atoll.wire import messages as wire
from atoll.wire.messages import RUN_SAMPLES

PLAN = "window 10 | rms | moments"
INFO = wire.StreamInfo("v", "m/adc", "i16", 1, 1000.0, 1.0, "g")
VALUES = array("h", range(1_000))


def number(run, sample):
    return RUN_SAMPLES | run << 32 | sample


def batch(run, sample):
    data = Plan(PLAN).partial(VALUES[sample : sample + 100], start=sample, key=INFO.key)
    return wire.Result(INFO.key, number(run, sample), False, data, 1)


def started(plan=PLAN, every="100", ledger=None):
    fleet = Fleet("a", "b", ledger=ledger)
    fleet.add("m", sources=[INFO])
    reply = fleet.ask(wire.Start(fleet.number(), "hum", plan, "v", every))
    assert reply.status == wire.DONE, reply.body
    return fleet


def say(fleet, *batches):
    fleet.devices["m"].say_results("hum", [batch(*place) for place in batches])
    fleet.settle()


def counted(fleet, word):
    return fleet.core._desk.counters.get(word, 0)


def test_it_is_told_a_program_and_the_others_the_plan():
    fleet = started()
    (order,) = fleet.devices["m"].orders["hum"]
    assert order._replace(boot=0, epoch=0, lease=0) == wire.Program(
        0, 0, 0, "hum", INFO.key, 100, 0, Plan(PLAN).words("i16", 1000.0)
    )
    assert type(fleet.devices["a"].orders["hum"][0]) is wire.Standing


def test_it_is_told_again_after_a_restart_of_either():
    fleet = started(every="1s")
    device = fleet.devices["m"]
    device.restart()
    device.birth()
    device.ask_lease()
    fleet.settle()
    assert device.orders["hum"][-1].every == 1000
    assert len(device.orders["hum"]) > 1


def test_nothing_is_placed_on_it_and_nothing_copied_from_it():
    fleet = started()
    fleet.put("w", {"k": VALUES.tobytes()})
    for dataset in fleet.core.catalog.datasets.values():
        for shard in dataset.shards.values():
            assert ("m" in shard.owners) == (dataset.row.name == "v")
            assert dataset.row.name == "w" or shard.goal == ("m",)


def test_each_run_is_a_line_of_its_own():
    fleet = started()
    say(fleet, (1, 0), (1, 100))
    say(fleet, (2, 0))  # after a reset; what it had not handed over of run 1 comes later
    say(fleet, (1, 200), (1, 0), (2, 100))
    job = fleet.core.standing.jobs["hum"]
    assert job.batches == 5
    assert counted(fleet, "repeated") == 1
    lines = job.streams[INFO.key].lines
    assert {run: line.mark for run, line in lines.items()} == {1: number(1, 300), 2: number(2, 200)}
    fleet.run(0.5)
    shown = json.loads(fleet.results["hum"])["streams"][INFO.key]
    assert (shown["run"], shown["sample"]) == (2, 100)
    assert shown["value"] == Plan(PLAN).finish(batch(2, 100).data)


def test_each_of_a_messages_results_is_acknowledged():
    fleet = started()
    say(fleet, (1, 0), (1, 100), (1, 200))
    say(fleet, (1, 300))
    assert fleet.devices["m"].outbox == {}
    member = fleet.core.members.members["m"]
    said = wire.Partials(1, 1, 1, 2**64 - 1, "hum", [batch(1, 0), batch(1, 100)])
    assert numbers_of(member, said) == (2**64 - 1, 2**64 - 1)
    assert numbers_of(member, said._replace(number=7)) == (7, 8)
    assert numbers_of(member, said._replace(number=7, results=[])) == (7, 7)
    # A Linux device numbers messages; and who is unknown is either.
    assert numbers_of(fleet.core.members.members["a"], said._replace(number=7)) == (7, 7)
    assert numbers_of(None, said._replace(number=7)) == (7, 7)


def test_runs_are_known_after_a_restart_of_the_gateway(tmp_path):
    ledger = Ledger(tmp_path)
    fleet = started(ledger=ledger)
    say(fleet, (1, 0), (1, 100), (2, 100))  # of run 2 the first is not there yet
    again = Fleet(rows=ledger.load(), ledger=ledger, now=fleet.now)
    again.add("m", sources=[INFO], boot=2)
    say(again, (1, 0), (1, 100), (2, 100))
    assert again.core.standing.jobs["hum"].batches == 0
    say(again, (2, 0))
    lines = again.core.standing.jobs["hum"].streams[INFO.key].lines
    assert lines[2].mark == number(2, 200)


def test_a_refusal_is_told_with_its_reason():
    fleet = started()
    refused = wire.Result(INFO.key, 0, True, b"5000 bytes of RAM are needed, 4096 are free", 0)
    fleet.devices["m"].say_results("hum", [refused])
    fleet.settle()
    told = [text for kind, text in fleet.events if kind == "refused"]
    assert told == [f"m cannot run hum: {INFO.key}: {refused.data.decode()}"]


def test_a_program_larger_than_its_messages_is_refused():
    row = StandingSet("hum", PLAN, "v", 100, 0, 0)
    plan = Plan("fir lowpass 100 taps=301 | moments")
    found, reasons = programs(row, plan, [INFO], (1, 1, 1), 1_024)
    assert not found
    assert "messages of at most 1024" in reasons[0]
    other = INFO._replace(dataset="w")
    assert programs(row, plan, [other], (1, 1, 1), 1_024) == ([], [])
    unrated = INFO._replace(rate_hz=100.0)  # the cut-off lies beyond half of it
    assert programs(row, Plan("fir lowpass 100 | moments"), [unrated], (1, 1, 1), 1_024)[1]


def test_a_kernel_that_the_image_lacks_is_named():
    fleet = started()
    device = fleet.devices["m"]
    device.receipts = [one for one in device.receipts if one.kernel not in ("rms", "p2p")]
    device.restart()
    device.birth()
    device.ask_lease()
    device.orders.clear()
    fleet.settle()
    assert "hum" not in device.orders
    told = [text for kind, text in fleet.events if kind == "refused"]
    assert told[-1] == "m cannot run hum: its image has no kernel rms"


def test_a_kernel_with_other_bits_is_named():
    fleet = started()
    device = fleet.devices["m"]
    device.receipts = [
        one._replace(digest=bytes(8)) if one.kernel == "moments" else one for one in device.receipts
    ]
    device.restart()
    device.birth()
    device.ask_lease()
    device.orders.clear()
    fleet.settle()
    told = [text for kind, text in fleet.events if kind == "refused"]
    assert told[-1].startswith("m cannot run hum: its receipts of moments are not those")


def test_a_fall_is_told_once():
    fleet = started()
    device = fleet.devices["m"]
    device.restart()
    device.fell = "fault at 00001a2c"
    device.birth()
    device.birth()
    fleet.settle()
    told = [text for kind, text in fleet.events if kind == "fell"]
    assert told == ["m fell: fault at 00001a2c"]
