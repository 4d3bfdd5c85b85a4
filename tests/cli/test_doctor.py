import json

import pytest

from atoll.cli import doctor


def test_this_machine(atoll, free_port):
    done = atoll("doctor", "--json", "--broker", f"mqtt://127.0.0.1:{free_port}")
    found = json.loads(done.stdout)
    assert found["ok"] is True
    states = {each["what"]: each["state"] for each in found["findings"]}
    assert states["kernels"] == states["cbor2"] == states["paho-mqtt"] == "ok"
    assert states["site"] == "optional"
    shown = atoll("doctor", "--broker", f"mqtt://127.0.0.1:{free_port}").stdout
    assert "nothing is missing" in shown


@pytest.mark.site
def test_a_site_that_is_there(on_site, site):
    findings = json.loads(on_site("doctor", "--json").stdout)["findings"]
    assert findings[-1]["what"] == "site"
    assert findings[-1]["detail"].endswith("3 devices")


def test_what_is_missing_comes_with_its_remedy():
    found = doctor._package("no-such-package", "MQTT", needed=True, remedy="pip install it")()
    assert found == ("no-such-package", "missing", "MQTT", "pip install it")
    assert doctor._package("no-such-package", "x", needed=False, remedy="y")().state == "optional"


def test_no_broker_to_bring(monkeypatch):
    def nowhere(name):
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr("shutil.which", lambda *args, **kwargs: None)
    monkeypatch.setattr("atoll.cli.doctor.version", nowhere)
    found = doctor._broker()
    assert found.state == "missing"
    assert "apt install mosquitto" in found.remedy


def test_a_password_is_not_shown():
    assert doctor._without_password("mqtt://me:secret@host:1") == "mqtt://host:1"
    assert doctor._without_password("mqtt://host") == "mqtt://host"
