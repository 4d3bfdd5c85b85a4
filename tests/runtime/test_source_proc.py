import queue
from struct import unpack

import pytest

from atoll.runtime.errors import UsageError
from atoll.runtime.source_proc import COUNTERS, ProcReader, ProcSource

NET = "Inter-| Receive\n face |bytes\n    lo: 9 9 9 9 9 9 9 9 9 9\n  eth0: {} 1 0 0 0 0 0 0 {} 1\n"


def lay_out(root, *, busy=0, ctxt=0, intr=0, memory=500, rx=0, tx=0):
    (root / "net").mkdir(exist_ok=True)
    (root / "stat").write_text(
        f"cpu  {busy} 0 0 1000 50 0 0 0 7 7\ncpu0 1 2 3\nintr {intr} 1 2 3\nctxt {ctxt}\n"
    )
    (root / "meminfo").write_text(f"MemTotal: 900 kB\nMemAvailable:  {memory} kB\n")
    (root / "net" / "dev").write_text(NET.format(rx, tx))


def values(row):
    return dict(zip(COUNTERS, (unpack("<i", data)[0] for data in row), strict=True))


def test_counters_are_differences_and_memory_is_as_it_is(tmp_path):
    lay_out(tmp_path, busy=10, ctxt=100, intr=50, rx=1_000, tx=7)
    reader = ProcReader(str(tmp_path))
    lay_out(tmp_path, busy=14, ctxt=130, intr=55, memory=400, rx=1_500, tx=8)
    wanted = {"cpu": 4, "ctxt": 30, "intr": 5, "mem": 400, "net_rx": 500, "net_tx": 1}
    assert values(reader.sample()) == wanted
    assert values(reader.sample()) == dict.fromkeys(COUNTERS, 0) | {"mem": 400}
    reader.close()


def test_a_counter_that_begins_anew_and_one_that_leaps(tmp_path):
    lay_out(tmp_path, ctxt=100, rx=0)
    reader = ProcReader(str(tmp_path))
    lay_out(tmp_path, ctxt=3, rx=2**40)
    found = values(reader.sample())
    assert (found["ctxt"], found["net_rx"]) == (0, 2**31 - 1)
    reader.close()


def test_this_machines_counters():
    source = ProcSource("machine", "100hz", "pi")
    assert [info.key for info in source.streams] == [f"pi/{name}" for name in COUNTERS]
    assert {info.dtype for info in source.streams} == {"i32"}
    posted = queue.SimpleQueue()
    source.start(posted.put)
    sampled = posted.get(timeout=10)
    source.stop()
    assert sampled.sample_count >= 20
    memory = dict(sampled.samples)["pi/mem"]
    assert min(unpack(f"<{sampled.sample_count}i", memory)) > 0
    assert source.take(b"") is None
    assert source.late >= 0


def test_a_machine_without_proc(tmp_path):
    with pytest.raises(UsageError, match=r"source machine: .*stat cannot be read"):
        ProcSource("machine", "1hz", "pi", root=str(tmp_path))
