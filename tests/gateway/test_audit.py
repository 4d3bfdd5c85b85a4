"""Replica audit: who lies is found by another replica, or by the gateway where there is none."""

from array import array

import pytest
from gateway_fleet import Fleet

from atoll.gateway import audit
from atoll.gateway.ledger import Ledger
from atoll.gateway.ledger_check import check_ledger
from atoll.kernels import Plan
from atoll.wire import messages as wire

PLAN = "window 10 | rms | moments"
VALUES = array("h", [(n * 37) % 1000 - 500 for n in range(600)])


def fleet_of(*names, replicas=3, share=1.0, streams=12, **options):
    fleet = Fleet(*names, audit=share, **options)
    data = {f"k{n}": VALUES.tobytes() for n in range(streams)}
    fleet.put("v", data, replicas=replicas)
    fleet.run(1.0)
    return fleet


def said(fleet, words):
    return [text for kind, text in fleet.events if kind == "audit" and words in text]


def shown(fleet):
    return {row["id"]: row["state"] for row in fleet.command("devices")}


def counters(fleet):
    return fleet.command("status")["counters"]


def test_honest_devices_agree_and_nobody_hears_of_it():
    fleet = fleet_of("a", "b", "c")
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    assert counters(fleet)["audited"] == 12
    assert said(fleet, "") == []
    assert fleet.core.audits._checks == {}


def test_an_audit_is_asked_of_another_replica_under_a_name_of_its_own():
    fleet = fleet_of("a", "b", "c")
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    by_task = {}
    for device in fleet.devices.values():
        for message in device.told:
            if isinstance(message, wire.Tasks):
                for task in message.tasks:
                    by_task.setdefault(task.number, {})[message.job] = device.name
    assert all(set(jobs) == {"q1", "audit.q1"} for jobs in by_task.values())
    assert all(jobs["q1"] != jobs["audit.q1"] for jobs in by_task.values())


def test_a_share_is_chosen_by_the_key_alone():
    chosen = []
    for _ in range(2):
        fleet = fleet_of("a", "b", "c", share=0.3, streams=60)
        fleet.query(PLAN, "v")
        fleet.run(1.0)
        chosen.append(
            {
                task.number
                for device in fleet.devices.values()
                for m in device.told
                if isinstance(m, wire.Tasks) and m.job == "audit.q1"
                for task in m.tasks
            }
        )
    assert chosen[0] == chosen[1]
    assert 8 <= len(chosen[0]) <= 30


def test_without_a_share_nobody_is_asked_twice():
    fleet = fleet_of("a", "b", "c", share=0.0)
    fleet.query(PLAN, "v")
    assert "audited" not in counters(fleet)


@pytest.mark.parametrize("liar", ["a", "b", "c"])
def test_a_third_replica_tells_who_lies(liar):
    fleet = fleet_of("a", "b", "c")
    fleet.devices[liar].lies = True
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    assert shown(fleet) == {n: "audited" if n == liar else "ready" for n in "abc"}
    event = said(fleet, "give other bytes")[0]
    assert liar in event
    (found,) = said(fleet, "is under audit")
    assert found.startswith(f"{liar} is under audit")
    assert "the gateway" not in found


def test_the_event_has_both_digests():
    from atoll.gateway import effects as do

    fleet = fleet_of("a", "b", "c", streams=1)
    fields = []
    carry = fleet.carry

    def listening(effects):
        fields.extend(
            e.fields for e in effects if isinstance(e, do.ShowEvent) and e.kind == "audit"
        )
        carry(effects)

    fleet.carry = listening
    liar = next(iter(fleet.core.catalog.datasets["v"].streams["k0"].held))
    for name in fleet.devices:
        fleet.devices[name].lies = name == liar
    for _ in range(4):
        fleet.query(PLAN, "v")
        fleet.run(1.0)
    both = [one for one in fields if "digests" in one]
    assert both
    assert len(set(both[0]["digests"])) == 2
    assert all(len(digest) == 64 for digest in both[0]["digests"])
    assert len(both[0]["devices"]) == 2


@pytest.mark.parametrize("liar", ["a", "b"])
def test_with_two_replicas_the_gateway_computes_and_tells(liar):
    fleet = fleet_of("a", "b", replicas=2)
    fleet.devices[liar].lies = True
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    (found,) = said(fleet, "is under audit")
    assert found.startswith(f"{liar} is under audit")
    assert "not that of the gateway" in found


def test_two_replicas_whose_blocks_differ_are_not_judged():
    fleet = fleet_of("a", "b", replicas=2, streams=1)
    other = array("h", [7] * 600).tobytes()
    device = fleet.devices["b"]
    from atoll.wire.block import decode_block, encode_block

    block = decode_block(device.blocks["v", "k0", 0])
    device.blocks["v", "k0", 0] = encode_block(block._replace(data=other))
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    assert said(fleet, "cannot be told")
    assert shown(fleet) == {"a": "ready", "b": "ready"}
    assert counters(fleet)["audits undecided"] == 1


def test_a_device_under_audit_gets_no_tasks_and_its_shards_move_away():
    fleet = fleet_of("a", "b", "c", "d", replicas=2)
    fleet.devices["b"].lies = True
    for _ in range(3):
        fleet.query(PLAN, "v")
        fleet.run(1.0)
    assert shown(fleet)["b"] == "audited"
    fleet.devices["b"].told.clear()
    reply = fleet.query(PLAN, "v")
    assert not any(isinstance(m, wire.Tasks) for m in fleet.devices["b"].told)
    plan = Plan(PLAN)
    expected = plan.merge([plan.partial(VALUES, rate=1000.0, key=f"k{n}") for n in range(12)])
    assert reply.blob == expected
    fleet.run(60.0)
    owners = [s.owners for s in fleet.core.catalog.all_shards()]
    assert not any("b" in one for one in owners)
    assert fleet.command("status")["replicas_min"] == 2


def test_what_it_still_says_is_not_taken_where_others_can_say_it():
    fleet = fleet_of("a", "b", "c")
    liar = fleet.devices["b"]
    liar.lies = True
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(PLAN, "v")
    query = fleet.core.jobs.open["q2"]
    key = query.tasks[0].key
    liar.say_results("q2", [wire.Result(key, 0, False, b"rubbish", 0)])
    fleet.settle()
    assert query.parts[0] is None
    assert liar.outbox == {}, "it is acknowledged: nobody wants it again"
    assert counters(fleet)["results under audit"] == 1


def test_a_persons_word_ends_it():
    fleet = fleet_of("a", "b", "c")
    fleet.devices["c"].lies = True
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    assert "not under audit; under audit: c" in fleet.command("trust", "a")["error"]
    fleet.devices["c"].lies = False
    assert fleet.command("trust", "c") == {"trusted": "c"}
    assert shown(fleet)["c"] == "ready"
    fleet.run(5.0)
    before = len(fleet.devices["c"].told)
    for _ in range(3):
        fleet.query(PLAN, "v")
        fleet.run(1.0)
    assert any(isinstance(m, wire.Tasks) for m in fleet.devices["c"].told[before:])
    assert len(said(fleet, "is under audit")) == 1


def restart(fleet, name):
    device = fleet.devices[name]
    device.restart()
    device.birth()
    device.ask_lease()
    fleet.run(3.0)


def test_a_restart_with_right_receipts_and_all_blocks_ends_it_once():
    fleet = fleet_of("a", "b", "c")
    liar = fleet.devices["c"]
    liar.lies = True
    fleet.query(PLAN, "v")
    fleet.settle()
    assert shown(fleet)["c"] == "audited"
    restart(fleet, "c")
    assert shown(fleet)["c"] == "ready"
    assert said(fleet, "c is trusted again")
    for _ in range(3):
        fleet.query(PLAN, "v")
        fleet.run(1.0)
    assert shown(fleet)["c"] == "audited"
    restart(fleet, "c")
    assert shown(fleet)["c"] == "audited", "who was found twice is for a person to judge"


def test_wrong_receipts_or_lost_blocks_do_not_end_it():
    for wrong in ("receipts", "blocks"):
        fleet = fleet_of("a", "b", "c")
        liar = fleet.devices["c"]
        liar.lies = True
        fleet.query(PLAN, "v")
        fleet.settle()
        if wrong == "receipts":
            liar.receipts = [one._replace(digest=bytes(8)) for one in liar.receipts]
        else:
            liar.blocks.popitem()
        restart(fleet, "c")
        assert shown(fleet)["c"] == "audited", wrong


def test_it_outlives_the_gateway(tmp_path):
    ledger = Ledger(tmp_path)
    fleet = fleet_of("a", "b", "c", ledger=ledger)
    fleet.devices["b"].lies = True
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    again = Fleet(ledger=ledger, rows=ledger.load(), now=fleet.now, audit=1.0)
    again.requests = 50
    again.devices = fleet.devices
    for device in again.devices.values():
        device.ask_lease()
    again.run(1.0)
    assert shown(again)["b"] == "audited"
    again.command("trust", "b")
    assert check_ledger(tmp_path).whole
    third = Fleet(ledger=ledger, rows=ledger.load(), now=fleet.now)
    assert third.core.audits.listing() == []
    ledger.close()


def test_a_repeated_partial_with_other_bytes_is_looked_into():
    fleet = fleet_of("a", "b", "c", share=0.0)
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(PLAN, "v")
    query = fleet.core.jobs.open["q1"]
    task = query.tasks[0]
    right = Plan(PLAN).partial(VALUES, rate=1000.0, key=task.key)
    first, second = list(fleet.core.catalog.datasets["v"].streams[task.key].held)[:2]
    for name, data in ((first, right), (second, right[:-1] + b"x")):
        fleet.devices[name].say_results("q1", [wire.Result(task.key, 0, False, data, 0)])
        fleet.settle()
    for device in fleet.devices.values():
        device.mute = False
        device.work()
    fleet.run(1.0)
    assert shown(fleet)[second] == "audited"


def test_checks_are_bounded_and_forgotten(monkeypatch):
    monkeypatch.setattr(audit, "CHECKS_MAX", 5)
    fleet = fleet_of("a", "b", "c")
    for device in fleet.devices.values():
        device.mute = True
    fleet.query(PLAN, "v")
    for device in fleet.devices.values():
        device.work()
    fleet.settle()
    assert len(fleet.core.audits._checks) == 5
    assert counters(fleet)["audits skipped"] == 7
    fleet.run(audit.PATIENCE_S + 1)
    assert fleet.core.audits._checks == {}
    assert counters(fleet)["audits unanswered"] == 5


def test_a_failed_audit_accuses_nobody():
    fleet = fleet_of("a", "b", "c", streams=4)
    fleet.query(PLAN, "v")
    fleet.devices["a"].blocks.clear()
    fleet.run(1.0)
    fleet.query(PLAN, "v")
    fleet.run(1.0)
    assert said(fleet, "is under audit") == []


def test_the_name_of_an_audit_is_nobody_elses():
    fleet = fleet_of("a", "b")
    reply = fleet.ask(wire.Start(fleet.number(), "audit.q1", PLAN, "v", "100"))
    assert "not q1, q2" in reply.body
