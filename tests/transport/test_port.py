"""Counts, and that both kinds of session are ports."""

from atoll.transport.link import Link
from atoll.transport.memory import MemoryBroker, MemoryLink
from atoll.transport.port import PURPOSES_MAX, Count, Counts, Port, Session


def test_counts_by_purpose():
    counts = Counts()
    counts.add_sent("lease", 10)
    counts.add_sent("lease", 5)
    counts.add_received("atoll/v1/s/device/d/up/block", 7)
    assert counts.sent == {"lease": Count(2, 15)}
    assert counts.received == {"block": Count(1, 7)}


def test_topics_from_outside_cannot_fill_the_memory():
    counts = Counts()
    for n in range(1_000):
        counts.add_received(f"t/{n}", 1)
    assert len(counts.received) == PURPOSES_MAX + 1
    assert counts.received["other"] == Count(1_000 - PURPOSES_MAX, 1_000 - PURPOSES_MAX)


def test_links_are_ports(loop):
    def takes_port(port: Port) -> None:
        for name in ("on_up", "on_down", "on_message", "on_writable", "on_behind"):
            assert callable(getattr(port, name))

    takes_port(Link(loop, [], Session("a")))
    takes_port(MemoryBroker().link(Session("a")))
    public = {name for name in vars(Port) if not name.startswith("_")}
    for cls in (Link, MemoryLink):
        assert public <= set(dir(cls)) | {"counts"}
