"""The root's users, settings and links, in a tree that has what they rest on."""

import tomllib

import pytest

from atoll.cli import image_texts as texts
from atoll.cli.firstboot import Told
from atoll.cli.image_root import (
    ImageError,
    add_settings,
    add_units,
    add_users,
    call,
    packages_of,
    wpa,
)
from atoll.cli.options import UsageError

TOLD = Told(
    "mqtt://10.0.0.1", "home", id="pi-7", token="T", wifi=("home", "a secret"), country="DE"
)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    owners = {}
    monkeypatch.setattr("os.chown", lambda path, *who: owners.__setitem__(str(path), who))
    masters = tmp_path / "usr/share/base-passwd"
    masters.mkdir(parents=True)
    (masters / "passwd.master").write_text(
        "root:*:0:0:root:/root:/bin/bash\nwww-data:*:33:33:www-data:/var/www:/usr/sbin/nologin\n"
    )
    groups = {"root": 0, "shadow": 42, "dialout": 20, "audio": 29, "video": 44, "sudo": 27}
    (masters / "group.master").write_text("".join(f"{n}:*:{i}:\n" for n, i in groups.items()))
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for unit in (*texts.ENABLED, "wpa_supplicant@.service"):
        (units / unit).write_text("")
    return tmp_path, owners


def table(path, width):
    rows = [line.split(":") for line in path.read_text().splitlines()]
    assert all(len(row) == width for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row for row in rows}


def test_users_and_groups_are_whole(tree):
    root, owners = tree
    add_users(root)
    users, groups = table(root / "etc/passwd", 7), table(root / "etc/group", 4)
    assert len({row[2] for row in users.values()}) == len(users)
    assert len({row[2] for row in groups.values()}) == len(groups)
    numbers = {row[2] for row in groups.values()}
    assert {row[3] for row in users.values()} - {"33"} <= numbers
    assert {name for name, row in groups.items() if "atoll-device" in row[3]} == set(
        texts.DEVICE_GROUPS
    )
    assert groups["sudo"][3] == texts.PERSON
    shadow = table(root / "etc/shadow", 9)
    assert set(shadow) == set(users)
    assert {row[1] for row in shadow.values()} == {"*"}  # nobody has a password
    assert set(table(root / "etc/gshadow", 4)) == set(groups)
    assert owners[str(root / "etc/shadow")] == (0, 42)
    assert (root / "etc/shadow").stat().st_mode & 0o777 == 0o640


def test_secrets_have_modes(tree):
    root, owners = tree
    add_settings(root, TOLD)
    site = root / "etc/atoll/conf.d/50-site.toml"
    assert tomllib.loads(site.read_text())["device"]["token"] == "T"
    assert site.stat().st_mode & 0o777 == 0o640
    assert owners[str(site)] == (0, texts.ATOLL_GROUP)
    wifi = root / "etc/wpa_supplicant/wpa_supplicant-wlan0.conf"
    assert wifi.stat().st_mode & 0o777 == 0o600
    keys = root / "var/home/pi/.ssh/authorized_keys"
    assert owners[str(keys)] == (1000, 1000)
    assert (root / "etc/hostname").read_text() == "pi-7\n"


def test_wifi_has_the_key_and_not_the_passphrase():
    text = wpa(TOLD)
    assert "country=DE\n" in text
    assert "ssid=686f6d65\n" in text
    assert "secret" not in text
    assert "key_mgmt=NONE" in wpa(TOLD._replace(wifi=("open", "")))


def test_units_are_those_of_the_root(tree):
    root, _ = tree
    add_settings(root, TOLD)
    add_units(root)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    assert {"atoll-device.service", "wpa_supplicant@wlan0.service"} <= {
        p.name for p in wants.iterdir()
    }
    (root / "usr/lib/systemd/system/ssh.service").unlink()
    with pytest.raises(ImageError, match=r"no unit ssh\.service"):
        add_units(root)


@pytest.mark.parametrize("script", ["GROW", "SSH_KEYS"])
def test_scripts_are_a_shell_s(script):
    assert call("sh", "-n", given=getattr(texts, script)) == ""


def test_packages_one_of_each(tmp_path):
    with pytest.raises(ImageError, match=r"no atoll_\*_arm64\.deb: make debs"):
        packages_of(tmp_path)
    for name in ("atoll_1_arm64.deb", "atoll_1_amd64.deb", "atoll-device_1_all.deb"):
        (tmp_path / name).write_text("")
    assert [path.name for path in packages_of(tmp_path)] == [
        "atoll_1_arm64.deb", "atoll-device_1_all.deb"]  # fmt: skip
    (tmp_path / "atoll_2_arm64.deb").write_text("")
    with pytest.raises(UsageError, match="several of atoll"):
        packages_of(tmp_path)


def test_a_tool_that_fails_is_named_with_its_words():
    with pytest.raises(ImageError, match="sh ended with 3: gone wrong"):
        call("sh", "-c", "echo gone wrong; exit 3")
