"""Two gateways as their shells run them: real cores and ledgers, a broker in memory, devices."""

import pytest
from gateway_site import SITE, TOPICS, MemorySite, VirtualLoop
from test_site import data_of, wanted

from atoll.gateway import ledger as ledger_module
from atoll.gateway.core import GatewayCore, Options
from atoll.gateway.errors import LedgerError
from atoll.gateway.feed import PAIRED, Feed
from atoll.gateway.feeder import Feeder
from atoll.gateway.lead import Register
from atoll.gateway.ledger import VERSION, Ledger
from atoll.gateway.pairing import Place
from atoll.gateway.profiles import PROFILES
from atoll.gateway.shell import Shell
from atoll.gateway.standby import Purpose, Standby, ours_of
from atoll.gateway.standby_shell import StandbyShell
from atoll.transport.port import Session, Will
from atoll.wire import messages as wire
from atoll.wire.status import Status, encode_status

PLAN = "window 256 hop=128 | rms | quantiles 0.5 0.99"


class Gateway:
    """What main.py does for one process, in virtual time."""

    def __init__(self, site, name, *, lead):
        self.site, self.name, self.folder = site, name, site.folder / name
        self.purpose = Purpose(lead=lead)
        self.register = Register(name)
        self.ledger = Ledger(self.folder)
        self.core = self.link = self.loop = None
        self.stand_by()

    def stand_by(self):
        found = self.ledger.settings()
        ours = ours_of(found, self.name, found.get("term", 7))
        beat = int(self.site.broker.now * 1000) + 1
        self.loop, self.core = VirtualLoop(self.site.broker), None
        self.link = self.site.broker.link(Session(f"gateway-{self.name}"))
        self.standby = StandbyShell(
            self.loop, self.link, Standby(self.register, self.purpose, ours, VERSION, beat),
            self.ledger, topics=TOPICS, say=self.site.said.append, ended=self.ended,
        )  # fmt: skip
        self.standby.start()

    def ended(self):
        self.loop.stop()
        if self.standby.lead is not None:
            self.serve(self.standby.lead)
        elif self.standby.error is None:
            self.stand_by()

    def serve(self, lead):
        self.loop = VirtualLoop(self.site.broker)
        core = self.core = GatewayCore(Options(SITE, PROFILES["demo"], {}, 99))
        first = core.restore(
            self.ledger.load(), self.site.broker.now, 1_700_000_000_000,
            term_least=lead.term, turn=lead.turn,
        )  # fmt: skip
        will = Will(TOPICS.gateway_status, encode_status(Status("lost", core.term, core.epoch)))
        self.link = self.site.broker.link(Session(f"gateway-{self.name}", will))
        self.register.adopt(lead)
        found = self.ledger.settings()
        place = Place(found["place"], found["place_term"]) if "place" in found else None
        feed = Feed(self.register, lead.term, place, VERSION)
        feeder = Feeder(self.loop, self.ledger, feed, TOPICS)
        self.shell = Shell(
            self.loop, self.link, core, self.ledger, topics=TOPICS, say=self.site.said.append,
            feeder=feeder,
        )  # fmt: skip
        self.shell.start(first)

    def kill(self):
        self.loop.stop()
        self.core = None
        self.link.on_message = self.link.on_up = lambda *_: None
        self.link.on_down = lambda *_: None
        self.site.broker.cut(f"gateway-{self.name}")
        self.ledger.close()


class PairSite(MemorySite):
    """A site with two gateways."""

    def start_gateway(self):
        self.pair = {}
        self.gateways("a", lead=True)

    def gateways(self, name, *, lead=False):
        self.pair[name] = Gateway(self, name, lead=lead)
        return self.pair[name]

    @property
    def core(self):
        found = [g.core for g in self.pair.values() if g.core is not None]
        return found[-1] if found else None

    def in_step(self):
        return any("is in step" in line for line in self.said[-30:])


@pytest.fixture
def site(tmp_path):
    made = PairSite(tmp_path)
    made.run_until(lambda: made.core is not None)
    for name in "xyz":
        made.start_device(name)
    made.run_until(lambda: sum(m.serves for m in made.core.members.members.values()) == 3)
    return made


def check(site, data):
    reply = site.answer(site.query(PLAN, "v"))
    assert (reply.status, reply.blob) == (wire.DONE, wanted(data))
    counters = site.core._desk.counters
    assert [counters[name] for name in ("lost", "duplicated", "disagreed")] == [0, 0, 0]


def test_the_standby_goes_on_with_puts_and_queries_of_the_one_that_was_killed(site):
    data = data_of(1, streams=6)
    site.gateways("b")
    site.run_until(site.in_step)
    puts = site.put("v", data)
    site.run(0.05)
    epoch = site.core.epoch
    site.pair["a"].kill()
    site.run_until(lambda: site.pair["b"].core is not None, 6.0)
    for number in puts:
        assert site.answer(number).status == wire.DONE
    assert site.core.term == 9
    assert site.core.moves.moved_bytes == 0
    assert site.core.epoch >= epoch
    query = site.query(PLAN, "v")
    site.run(0.02)
    site.said.clear()
    site.gateways("a", lead=True)
    site.run_until(site.in_step)
    assert site.answer(query).blob == wanted(data)
    check(site, data)
    site.pair["b"].kill()
    site.run_until(lambda: site.pair["a"].core is not None, 6.0)
    check(site, data)
    assert site.core.term == 10


def test_a_standby_whose_disk_is_full_holds_the_leader_up_for_no_longer_than_a_silent_one(
    site, monkeypatch
):
    data = data_of(2, streams=4)
    standby = site.gateways("b")
    site.run_until(site.in_step)

    def full(_):
        raise LedgerError("disk full", fatal=False)

    monkeypatch.setattr(standby.ledger, "commit", full)
    for number in site.put("v", data):
        assert site.answer(number, 12.0).status == wire.DONE
    assert any("is silent" in line or "is gone" in line for line in site.said)
    monkeypatch.undo()
    leader = site.pair["a"]
    site.run_until(lambda: leader.shell._feeder.feed.mode == PAIRED, 20.0)
    check(site, data)
    site.run_until(lambda: standby.ledger.load() == leader.ledger.load(), 5.0)


def test_the_status_names_the_standby_and_a_late_will_is_mended(site):
    import json

    site.gateways("b")
    site.run_until(site.in_step)
    body = json.loads(site.command("status").body)
    assert body["standby"] == {"gateway": "b", "state": "in step"}
    late = encode_status(Status("lost", site.core.term - 1, 0))
    site.client.link.publish(TOPICS.gateway_status, late, purpose="test", retain=True)
    site.run(0.1)
    assert json.loads(site.broker.retained[TOPICS.gateway_status])["state"] == "ready"


def test_both_ledgers_hold_the_same(site):
    standby = site.gateways("b")
    site.run_until(site.in_step)
    for number in site.put("v", data_of(3, streams=5)):
        site.answer(number)
    site.run(1.0)
    assert standby.ledger.load() == site.pair["a"].ledger.load()
    assert standby.ledger.verify() > 20
    assert ledger_module.VERSION == VERSION
