"""The parts handed around are the core's own."""

from atoll.gateway.core import GatewayCore, Options


def test_clients_and_listings_see_the_cores_parts():
    core = GatewayCore(Options("t"))
    parts = core._clients._parts
    for name, part in parts._asdict().items():
        assert getattr(core, name) is part
