"""What a card is told: texts, and scripts that a shell takes."""

import subprocess
import tomllib

import pytest

from atoll.cli.device import KINDS
from atoll.cli.firstboot import FOLDER, SERVICE, STATE, Told, files, settings, wifi_profile
from atoll.transport.settings import read_settings

TOLD = Told("mqtt://192.168.1.10:1884", "home")


def test_settings_are_those_that_a_device_reads(tmp_path):
    told = TOLD._replace(id="pi-7", token='a"\\b\x7f', sources=("machine=proc:10hz", "ü=file:x y"))
    (tmp_path / "atoll.toml").write_text("")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/50-site.toml").write_text(settings(told))
    assert read_settings(tmp_path / "atoll.toml", "device", KINDS) == {
        "site": "home",
        "id": "pi-7",
        "broker": told.broker,
        "token": told.token,
        "source": list(told.sources),
    }


def test_what_is_not_said_is_left_out():
    assert tomllib.loads(settings(TOLD)) == {"site": "home", "device": {"broker": TOLD.broker}}
    assert set(files(TOLD)) == {
        "firstboot.sh",
        "install.sh",
        "atoll-provision.service",
        "settings.toml",
    }


def test_wifi_has_the_key_and_not_the_passphrase():
    # The passphrase mapping's own test vector: IEEE 802.11i, annex H.4.3.
    text = wifi_profile("IEEE", "password")
    assert "psk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e\n" in text
    assert "password" not in text
    assert "ssid=73;69;69;69;\n" in text
    assert "wifi-security" not in wifi_profile("open", "")


@pytest.mark.parametrize("name", ["firstboot.sh", "install.sh"])
@pytest.mark.parametrize("country", ["", "DE"])
def test_scripts_are_a_shell_s(name, country):
    text = files(TOLD._replace(country=country))[name]
    assert "@" not in text.replace('"$@"', "")
    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_runs_what_the_first_script_leaves():
    text = files(TOLD)["firstboot.sh"]
    assert f"ExecStart=/bin/sh {STATE}/install.sh\n" in SERVICE
    assert f"state={STATE}\n" in text
    assert "atoll-provision.service" in text
    assert FOLDER == "atoll"
