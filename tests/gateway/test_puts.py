"""Puts: places, copies, repeats, loss, doubt and bounds."""

import json
from array import array

import pytest
from gateway_fleet import WALL, Fleet

from atoll.gateway import early, puts
from atoll.gateway import events as on
from atoll.wire import messages as wire
from atoll.wire.block import crc32c, peek_block


def samples(count, start=0):
    return array("h", range(start, start + count)).tobytes()


def piece(key, data, index=0, *, dataset="v", dtype="i16", **change):
    info = wire.StreamInfo(dataset, key, dtype, 1, 1000.0, 1.0, "g")._replace(**change)
    return wire.Piece(info, 0, 0, index, WALL, crc32c(data), data)


def blocks_of(fleet, key):
    """By device: the blocks it has of a stream, in order."""
    return {
        name: [peek_block(data) for (_, k, _), data in sorted(device.blocks.items()) if k == key]
        for name, device in fleet.devices.items()
    }


def ask(fleet, *pieces, put_id=b"1" * 16):
    return fleet.ask(wire.Put(fleet.number(), put_id, list(pieces)))


def error(reply):
    assert reply.status == wire.FAILED
    return json.loads(reply.body)["error"]


def test_a_put_is_answered_when_every_replica_has_it():
    fleet = Fleet("a", "b", "c")
    assert ask(fleet, piece("k", samples(100))).status == wire.DONE
    having = {name: found for name, found in blocks_of(fleet, "k").items() if found}
    assert len(having) == 2
    assert all(b[0].sample_count == 100 for b in having.values())


def test_the_same_key_appends():
    fleet = Fleet("a", "b")
    ask(fleet, piece("k", samples(100)))
    ask(fleet, piece("k", samples(50)), put_id=b"2" * 16)
    for blocks in blocks_of(fleet, "k").values():
        assert [(b.seq, b.first_sample, b.sample_count, b.gap) for b in blocks] == [
            (0, 0, 100, False),
            (1, 100, 50, False),
        ]


def test_a_repeated_piece_is_stored_once():
    fleet = Fleet("a", "b")
    for _ in range(3):
        assert ask(fleet, piece("k", samples(100))).status == wire.DONE
    assert all(len(blocks) == 1 for blocks in blocks_of(fleet, "k").values())


def test_the_answer_waits_for_a_slow_replica_and_is_sent_again():
    fleet = Fleet("a", "b")
    fleet.cut.add("a")
    assert ask(fleet, piece("k", samples(100))) is None
    fleet.run(2.0)
    assert fleet.reply(1) is None
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.run(3.0)
    assert fleet.reply(1).status == wire.DONE
    assert all(len(blocks) == 1 for blocks in blocks_of(fleet, "k").values())


def test_a_dead_replica_is_not_waited_for_and_made_up_for():
    fleet = Fleet("a", "b")
    fleet.cut.add("a")
    ask(fleet, piece("k", samples(100)))
    fleet.run(13.0)
    assert fleet.states()["a"] == "dead"
    assert fleet.reply(1).status == wire.DONE
    fleet.cut.discard("a")
    fleet.devices["a"].ask_lease()
    fleet.run(1.0)
    assert all(len(blocks) == 1 for blocks in blocks_of(fleet, "k").values())


def test_pieces_that_overtake_each_other_find_their_order():
    fleet = Fleet("a", "b")
    assert ask(fleet, piece("k", samples(10, 10), 1)) is None
    assert ask(fleet, piece("k", samples(10), 0)).status == wire.DONE
    fleet.settle()
    assert fleet.reply(1).status == wire.DONE
    for blocks in blocks_of(fleet, "k").values():
        assert [(b.seq, b.first_sample) for b in blocks] == [(0, 0), (1, 10)]


def test_a_piece_whose_predecessor_never_comes_is_answered():
    fleet = Fleet("a", "b")
    assert ask(fleet, piece("k", samples(10), 5)) is None
    fleet.run(early.HOLD_S + 1.0)
    assert "the one before it" in error(fleet.reply(1))


def test_a_piece_in_doubt_keeps_its_place():
    fleet = Fleet("a", "b")
    ask(fleet, piece("k", samples(10)))
    for device in fleet.devices.values():
        device.told.clear()
        device._blocks = lambda message: None  # it stores and cannot say so
    ask(fleet, piece("k", samples(20)), put_id=b"2" * 16)
    fleet.run(puts.GIVE_UP_S + 20.0)
    assert "not stored" in error(fleet.reply(2))
    for device in fleet.devices.values():
        del device._blocks
    assert ask(fleet, piece("k", samples(30)), put_id=b"3" * 16).status == wire.DONE
    for blocks in blocks_of(fleet, "k").values():
        assert [(b.seq, b.first_sample, b.gap) for b in blocks] == [(0, 0, False), (2, 30, True)]
    # The doubtful one comes again: same place, no harm.
    assert ask(fleet, piece("k", samples(20)), put_id=b"2" * 16).status == wire.DONE
    for blocks in blocks_of(fleet, "k").values():
        assert [(b.seq, b.first_sample) for b in blocks] == [(0, 0), (1, 10), (2, 30)]


def test_doubt_about_a_puts_own_earlier_piece_makes_no_gap():
    fleet = Fleet("a", "b", ledger=None)
    first = fleet.batches[:]
    assert first
    ask(fleet, piece("k", samples(10), 0))
    ask(fleet, piece("k", samples(10), 1))
    assert all(not b.gap for blocks in blocks_of(fleet, "k").values() for b in blocks)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (piece("k", b"\0" * 3), "no samples of 2 bytes"),
        (piece("k", b""), "no samples"),
        (piece("k", b"\0\0", dtype="i8 "), "dtype"),
        (piece("k", b"\0\0", channels=2), "no samples of 4 bytes"),
        (piece("k", b"\0" * 34, channels=17), "17 channels"),
        (piece("k", b"\0\0", channels=0), "no channels"),
        (piece("", b"\0\0"), "key"),
        (piece("k\n", b"\0\0"), "key"),
        (piece("k", b"\0\0", dataset="a b"), "dataset"),
        (piece("k", b"\0\0", rate_hz=-1.0), "rate"),
        (piece("k", b"\0\0")._replace(crc=1), "damaged"),
        (piece("k", b"\0\0")._replace(replicas=99), "replicas=99"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(bad, said):
    fleet = Fleet("a", "b")
    assert said in error(ask(fleet, bad))
    assert not any(device.blocks for device in fleet.devices.values())


def test_a_stream_keeps_its_description():
    fleet = Fleet("a", "b")
    ask(fleet, piece("k", samples(10)))
    said = error(ask(fleet, piece("k", samples(10), rate_hz=5.0), put_id=b"2" * 16))
    assert "rate_hz 1000.0, not 5.0" in said


def test_without_devices_a_put_is_refused():
    fleet = Fleet()
    assert "no device is ready" in error(ask(fleet, piece("k", samples(10))))
    assert fleet.command("datasets") == []


def test_an_empty_put_is_refused():
    fleet = Fleet("a")
    assert "without samples" in error(ask(fleet))


def test_what_is_under_way_is_bounded_by_client():
    fleet = Fleet("a", "b")
    fleet.cut |= {"a", "b"}
    for number in range(puts.FLIGHTS_PER_CLIENT_MAX):
        assert ask(fleet, piece(f"k{number}", samples(4))) is None
    assert "busy" in error(ask(fleet, piece("more", samples(4))))
    assert fleet.core.puts.under_way == puts.FLIGHTS_PER_CLIENT_MAX


def test_what_every_device_refuses_twice_is_given_up_at_once():
    fleet = Fleet("a", "b")
    for device in fleet.devices.values():
        device._blocks = lambda m, d=device: d.out.append(
            wire.Stored(*d.head, m.transfer, [wire.Refusal(0, "disk full")])
        )
    ask(fleet, piece("k", samples(4)))
    fleet.run(puts.RESEND_FIRST_S + 1.0)
    assert "disk full" in error(fleet.reply(1))
    assert fleet.core.puts.under_way == 0


def test_a_disk_that_takes_nothing_is_an_event_and_so_is_its_end():
    fleet = Fleet("a")
    device = fleet.devices["a"]
    real = device._blocks
    device._blocks = lambda m: device.out.append(
        wire.Stored(*device.head, m.transfer, [wire.Refusal(0, "disk full: 9 bytes are free")])
    )
    ask(fleet, piece("k", samples(4)))
    fleet.run(puts.RESEND_FIRST_S + 1.0)
    device._blocks = real
    ask(fleet, piece("l", samples(4)))
    assert [text for kind, text in fleet.events if kind == "disk"] == [
        "a does not store: disk full: 9 bytes are free",
        "a stores again",
    ]


def test_a_removed_dataset_ends_its_puts():
    fleet = Fleet("a", "b")
    ask(fleet, piece("k", samples(4)))
    fleet.cut |= {"a", "b"}
    assert ask(fleet, piece("k2", samples(4)), put_id=b"2" * 16) is None
    fleet.handle(on.ClientAsked("c1", wire.Command(99, "rm", "v"), fleet.wall))
    assert "removed" in error(fleet.reply(2))


def test_a_full_block_fits_one_message():
    fleet = Fleet("a", "b")
    data = bytes(61_440)
    assert ask(fleet, piece("k" * 128, data)).status == wire.DONE


def test_a_put_that_went_on_without_an_owner_is_copied_when_it_is_back():
    """It drained and restarted without ever being dead."""
    fleet = Fleet("a", "b")
    fleet.put("v", {"k": bytes(20)})
    member = fleet.core.members.members["b"]
    fleet.handle(on.StatusSeen("b", "draining", member.row.boot, fleet.wall))
    assert not member.serves
    assert fleet.put("v", {"k": bytes(40)}, put_id=b"q" * 16).status == wire.DONE
    stream = fleet.core.catalog.datasets["v"].streams["k"]
    assert stream.held["a"] != stream.held["b"]
    device = fleet.devices["b"]
    device.boot += 1
    device.birth()
    device.ask_lease()
    fleet.settle()
    assert stream.held["a"] == stream.held["b"]


def test_a_copy_that_was_released_does_not_count():
    fleet = Fleet("a", "b", "c")
    fleet.put("v", {"k": bytes(20)})
    puts, stream = fleet.core.puts, fleet.core.catalog.datasets["v"].streams["k"]
    shard = next(s for s in fleet.core.catalog.all_shards() if s.streams)
    leaving = shard.owners[1]
    fleet.cut = {leaving}
    info = stream.info
    piece = wire.Piece(info, 0, 0, 0, 0, crc32c(bytes(8)), bytes(8))
    fleet.handle(on.ClientAsked("c9", wire.Put(1, b"r" * 16, [piece]), fleet.wall))
    number = next(n for n, t in puts._transfers.items() if t.device == leaving)
    puts.released(leaving, shard)
    assert number not in puts._transfers
    head = (fleet.devices[leaving].boot, 0, 0)
    fleet.handle(on.DeviceSpoke(leaving, wire.Stored(*head, number, []), fleet.wall))
    assert fleet.core._desk.counters["late confirmations"] == 1
    assert all(leaving not in w.stored for f in puts._flights.values() for w in f.pieces)


def test_samples_do_not_stay_in_memory_behind_their_answer():
    """Who was sent a block again and answers once leaves a transfer open for a while."""
    fleet = Fleet("a", "b")
    fleet.cut.update("ab")
    fleet.put("v", {"k": bytes(60_000)})
    fleet.run(10.0)
    fleet.cut.clear()
    for device in fleet.devices.values():
        device.ask_lease()
    fleet.run(20.0)
    puts = fleet.core.puts
    assert puts._flights == {}
    assert puts._transfers, "what was sent again was not confirmed"
    assert all(not w.block for t in puts._transfers.values() for w in t.pieces)
    assert fleet.core.catalog.datasets["v"].streams["k"].held["a"][0].byte_count > 60_000
