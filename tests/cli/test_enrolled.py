"""A microcontroller's token for a secret, by this machine; with a board in test_emulate.py."""

import time

import pytest

from atoll.cli import enrolled
from atoll.cli.firmware import FirmwareError
from atoll.gateway.broker import find_mosquitto
from atoll.gateway.enrolment import Enrolment
from atoll.transport.url import parse_broker
from atoll.wire.credential import SECRET_BYTES


@pytest.mark.site
@pytest.mark.broker
def test_a_token_is_exchanged_once(new_site):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    enrolment = Enrolment(new_site.folder / "gateway" / "access", new_site.site)
    token = enrolment.enroll_device("mcu-1", int(time.time() * 1000))
    new_site.start_gateway()
    broker = parse_broker(new_site.url)
    secret = enrolled.secret_for("mcu-1", new_site.site, broker, token)
    assert len(bytes.fromhex(secret)) == SECRET_BYTES
    assert enrolment.entries()["mcu-1"].role == "device"
    with pytest.raises(FirmwareError, match="mcu-1 has no password: the token is refused") as error:
        enrolled.secret_for("mcu-1", new_site.site, broker, token)
    assert token not in str(error.value)


def test_a_broker_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr(enrolled, "JOIN_S", 0.5)
    with pytest.raises(FirmwareError, match="mcu-1 has no password: ") as error:
        enrolled.secret_for("mcu-1", "lab", parse_broker("mqtt://127.0.0.1:1"), "token")
    assert "\n" not in str(error.value)
