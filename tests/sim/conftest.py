"""A site that is there and calm, to be broken on purpose."""

import pytest

from atoll.sim.knobs import reset
from atoll.sim.site import Setup, Site


@pytest.fixture(autouse=True)
def usual_bounds():
    """A site that was made and not run has turned knobs of modules that other tests use."""
    yield
    reset()


@pytest.fixture
def site():
    """Six devices, no faults, the clients' wishes left out."""
    one = Site(1, Setup(faults=(), clients=1))
    one.calm = True
    one.gateway.start()
    for device in one.devices.values():
        device.start()
    one.world.run(5.0)
    return one


@pytest.fixture
def stored(site):
    """And with some data in it."""
    client = site.clients[0]
    for _ in range(6):
        client.put()
    site.world.run(10.0)
    assert not client.open
    assert site.checker.acked
    return site


@pytest.fixture
def pair():
    """A calm site whose gateways are in step, with some data in it."""
    site = Site(1, Setup(faults=("failover",), clients=1))
    site.calm = True
    site.gateway.start()
    for device in site.devices.values():
        device.start()
    site.world.run(8.0)
    for _ in range(4):
        site.clients[0].put()
    site.world.run(12.0)
    assert site.gateway.settled
    assert site.checker.acked
    return site
