"""Two gateways in a simulated site: takeover, fencing, and that what is wrong is found."""

import pytest

from atoll.gateway import feed
from atoll.gateway.lead import Register
from atoll.gateway.pairing import LEASE_S, SILENCE_S
from atoll.gateway.standby import Standby
from atoll.sim.nemesis import KINDS, is_paired
from atoll.sim.site import Setup, Site

FAILOVER = Setup(faults=("failover",), hours=0.01)


def passes(site, seconds):
    site.world.run(site.world.now + seconds)


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_the_standby_leads_within_four_seconds_and_answers_what_is_asked(pair, fault):
    a, b = pair.gateway.hosts
    getattr(a, fault)()
    pair.clients[0].put()
    begin = pair.world.now
    while pair.gateway.leading is a:
        passes(pair, 0.1)
        assert pair.world.now < begin + LEASE_S + 1.0
    assert b.core.term == pair.gateway.succession.term
    passes(pair, 15.0)
    assert not pair.clients[0].open
    pair.gateway.heal()
    passes(pair, 10.0)
    assert pair.gateway.settled
    assert not a.serving
    pair.gateway.look()


@pytest.mark.parametrize("way", ["incoming", "outgoing"])
def test_a_leader_that_is_cut_off_one_way_is_replaced_or_leads_on(pair, way):
    """Replaced if it is not heard; if it does not hear, it still beats, and leads."""
    a, b = pair.gateway.hosts
    pair.network.block(a.name, incoming=way == "incoming", outgoing=way == "outgoing")
    passes(pair, SILENCE_S + 3.0)
    assert pair.gateway.leading is (b if way == "outgoing" else a)
    pair.gateway.heal()
    passes(pair, 25.0)
    assert pair.gateway.settled
    pair.gateway.look()


def test_nothing_moves_and_no_standing_job_stops_over_a_takeover(pair):
    client = pair.clients[0]
    client._stand()
    passes(pair, 3.0)
    owners = {s.id: s.owners for s in pair.gateway.core.catalog.all_shards()}
    pair.gateway.kill()
    passes(pair, 20.0)
    assert {s.id: s.owners for s in pair.gateway.core.catalog.all_shards()} == owners
    assert set(pair.gateway.core.standing.jobs) == {"c0-s1"}


def test_a_share_of_the_seeds_has_two_gateways_and_the_others_stay_as_they_are():
    paired = [seed for seed in range(400) if is_paired(seed, tuple(KINDS))]
    assert 60 < len(paired) < 140
    assert not is_paired(paired[0], ("crash",))
    assert is_paired(paired[0] + 1, ("failover",))


# Seeds that have found something, with what it was; each must stay mended.
FOUND = [
    (131, "a standby that was heard twice was taken for one that has the leader's ledger"),
    (106, "nobody led after the broker had forgotten who did, though all were there"),
    (139, "a standby followed an old leader, back when the broker had forgotten its successor"),
    (174, "an old leader led on when the broker had forgotten its successor"),
    (1006, "two that stood by each took the other one for the leader"),
    (1146, "a claim of one that heard nothing overwrote the claim that had been first"),
    (180, "one that lacked what was acknowledged led after the broker had forgotten who did"),
]


@pytest.mark.parametrize(("seed", "what"), FOUND)
def test_what_was_found_stays_mended(seed, what):
    assert is_paired(seed, tuple(KINDS))
    outcome = Site(seed, Setup()).run()
    assert outcome.violation is None, (what, outcome.violation)


@pytest.mark.parametrize("seed", range(3))
def test_failover_alone_breaks_nothing(seed):
    outcome = Site(seed, FAILOVER).run()
    assert outcome.violation is None
    assert outcome.answers > 20


# --- is the looking on any good? ---


def acknowledge_at_once(monkeypatch):
    monkeypatch.setattr(feed.Feed, "holding", False)


def claim_out_of_step(monkeypatch):
    real = Standby._may_claim

    def may_claim(self):
        lead = self._register.current
        return real(self) or (lead.leader != self._register.name and self._silent_s() >= LEASE_S)

    monkeypatch.setattr(Standby, "_may_claim", may_claim)


def forget_who_leads(monkeypatch):
    real = Register.opened

    def opened(self):
        found = real(self)
        self.known = True
        return found

    monkeypatch.setattr(Register, "opened", opened)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [acknowledge_at_once, claim_out_of_step, forget_who_leads])
def test_what_is_broken_on_purpose_is_found(monkeypatch, mutant):
    mutant(monkeypatch)
    for seed in range(6, 206):
        if Site(seed, FAILOVER._replace(hours=0.02)).run().violation is not None:
            return
    pytest.fail(f"{mutant.__name__} is not found in 200 seeds")
