"""A device's disk under power cuts: every operation of some workloads here, a million cuts by `make
powercut`. Then the harness itself: a precaution that is taken out is found.
"""

from random import Random

import pytest
from cut_device import Broken, Campaign
from cut_disk import KILLED, LOST, CutDisk, PowerCut

from atoll.runtime import outbox, segment, store
from atoll.runtime.files import settle_directory
from atoll.runtime.join import make_secret, read_secret
from atoll.runtime.outbox import Outbox
from atoll.wire.block import Block, encode_block
from atoll.wire.messages import StreamInfo


def test_every_operation_of_a_few_workloads():
    cuts = torn = doubles = 0
    for seed in range(4):
        campaign = Campaign(seed)
        campaign.run(40)
        cuts += campaign.cuts
        doubles += campaign.doubles
        torn += campaign.recovered_torn
    assert cuts > 3_000
    assert doubles > 200
    assert torn > 50


def found_within(seeds):
    for seed in range(seeds):
        try:
            Campaign(seed).run(60)
        except Broken as broken:
            return broken
    return None


def keep_unsynced_bodies(files, handle, found, end):
    return found, end


def no_sync(self, path):
    self._begin(("sync",))


FAULTS = {
    "bodies that were not synced are believed": (segment, "_drop_torn", keep_unsynced_bodies),
    "folders are not synced": (CutDisk, "sync_directory", no_sync),
    "segments are not synced": (store.Store, "_sync", lambda self, segments: {}),
    "the outbox is not synced": (outbox.Outbox, "_sync_active", lambda self: None),
    "a message's checksum is not compared": (outbox, "_crc", lambda head, body: 1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_harness_finds(name, monkeypatch):
    monkeypatch.setattr(*FAULTS[name])
    assert found_within(40) is not None


# --- what the harness has found, each by itself ---


def opened(disk):
    return store.Store("/device", disk, reserve_bytes=0)


def block(seq):
    info = StreamInfo("d", "k", "i16", 1, 100.0, 1.0, "g")
    return encode_block(Block(info, 3, seq, 10 * seq, 10, 1, 5, 9, 2, False, bytes([seq]) * 20))


def held(one):
    return [seq for info in one.streams() for run in info.runs
            for seq in range(run.first_seq, run.last_seq + 1)]  # fmt: skip


def test_what_a_killed_process_left_is_synced_before_it_is_announced():
    disk = CutDisk()
    disk.make_directory("/device")
    first = opened(disk)
    first.stage(block(0), 1)
    killed = disk.after_cut(KILLED, Random(1))
    assert held(opened(killed)) == [0]
    killed.under_way = None
    assert held(opened(killed.after_cut(LOST, Random(1)))) == [0]


def test_the_same_for_the_outbox():
    disk = CutDisk()
    disk.make_directory("/device")
    Outbox("/device", disk).append(7, b"result")
    killed = disk.after_cut(KILLED, Random(1))
    assert Outbox("/device", killed).numbers() == [7]
    killed.under_way = None
    assert Outbox("/device", killed.after_cut(LOST, Random(1))).read(7) == b"result"


def test_a_secret_that_was_used_is_there():
    disk = CutDisk()
    disk.make_directory("/device")
    secret = make_secret("/device", disk)
    disk.under_way = None
    assert read_secret("/device", disk.after_cut(LOST, Random(1))) == secret


def test_a_torn_record_between_good_ones_never_counts_later():
    disk = CutDisk()
    disk.make_directory("/device")
    one = opened(disk)
    for seq in range(3):
        one.stage(block(seq), 1)
    size = segment.record_bytes(len(block(0)))
    torn = disk.after_cut(KILLED, Random(1))
    [file] = torn.files().values()
    middle = len(file.data) - size - 30
    file.data[middle : middle + 10] = bytes(10)
    again = opened(torn)
    assert held(again) == [0, 2]
    assert again.recovered.damaged == 1
    again.stage(block(3), 2)
    again.commit()
    assert held(opened(torn.after_cut(KILLED, Random(1)))) == [0, 2, 3]


def test_a_folder_that_a_killed_process_made_is_durable_before_it_is_used():
    disk = CutDisk()
    disk.cut_at = 2  # the sync behind the first mkdir
    with pytest.raises(PowerCut):
        disk.make_directory("/device")
    killed = disk.after_cut(KILLED, Random(1))
    settle_directory(killed, "/device")
    killed.under_way = None
    assert killed.after_cut(LOST, Random(1)).names("/") == ["device"]
