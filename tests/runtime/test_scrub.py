from device_rig import block_of, info_of

from atoll.runtime.files import SystemFiles
from atoll.runtime.scrub import LONGEST_S, Scrubber
from atoll.runtime.store import Store


def filled(path, count=3):
    store = Store(str(path), SystemFiles(), reserve_bytes=0)
    for key in ("a", "b"):
        for seq in range(count):
            store.stage(block_of(info_of(key), seq, seq * 10, bytes(20)), 1)
    store.commit()
    return store


def test_every_block_once_a_pass_and_at_its_pace(tmp_path):
    store = filled(tmp_path)
    seen = []
    read = store.block
    store.block = lambda *name: (seen.append(name), read(*name))[1]
    scrubber = Scrubber(store, pass_s=60.0, shortest_s=1.0)
    now = 0.0
    while not scrubber.passes:
        scrubber.step(now)
        now = scrubber.due
    assert sorted(seen) == [("vibration", key, seq) for key in "ab" for seq in range(3)]
    assert now == 70.0  # 60 s for six blocks, and one step to see that they were all
    scrubber.step(now)
    assert len(seen) == 7


def test_few_blocks_are_not_waited_for_for_ever(tmp_path):
    scrubber = Scrubber(filled(tmp_path, 1))
    scrubber.step(5.0)
    assert scrubber.due == 5.0 + LONGEST_S


def test_an_empty_store_costs_nothing(tmp_path):
    scrubber = Scrubber(filled(tmp_path, 0))
    scrubber.step(0.0)
    assert (scrubber.passes, scrubber.due) == (1, LONGEST_S)


def test_what_is_deleted_meanwhile_is_passed_over(tmp_path):
    store = filled(tmp_path)
    scrubber = Scrubber(store)
    scrubber.step(0.0)
    store.delete("vibration", 3)
    scrubber.step(100.0)
    assert scrubber.passes == 1
    assert store.damaged_reads == 0
