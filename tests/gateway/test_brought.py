"""The own broker as a configuration wants it."""

import socket

import pytest

from atoll.gateway.brought import own_address, own_broker
from atoll.gateway.config import Config
from atoll.gateway.enrolment import GATEWAY, Enrolment
from atoll.gateway.errors import GatewayError

pytestmark = pytest.mark.broker


def config(state, **options):
    return Config("home", [], state, "127.0.0.1", 0, "mosquitto", "normal")._replace(**options)


@pytest.mark.parametrize("enrolled", [False, True])
def test_it_listens_and_is_reached_as_the_gateway(tmp_path, enrolled):
    enrolment = Enrolment(tmp_path / "access", "home")
    if enrolled:
        enrolment.enroll_client("ana")
    child = own_broker(config(tmp_path), enrolment)
    try:
        address = own_address(child, enrolment)
        assert address.username == (GATEWAY if enrolled else None) or not address.username
        socket.create_connection((address.host, address.port), 5).close()
    finally:
        child.stop()


def test_the_network_is_refused_while_nobody_is_enrolled(tmp_path):
    with pytest.raises(GatewayError):
        own_broker(config(tmp_path, listen="0.0.0.0"), Enrolment(tmp_path / "access", "home"))
