"""`atoll provision`: a fake boot partition, dry and wet, and what is refused."""

import json
import tomllib

import pytest

from atoll.cli.main import run

CMDLINE = "console=tty1 root=PARTUUID=4a-02 rootwait\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBr ana@laptop"


@pytest.fixture
def words(tmp_path):
    boot = tmp_path / "bootfs"
    boot.mkdir()
    for name, text in (("cmdline.txt", CMDLINE), ("config.txt", ""), ("kernel8.img", "")):
        (boot / name).write_text(text)
    dist = tmp_path / "dist"
    dist.mkdir()
    for name in ("atoll_1_arm64.deb", "atoll-device_1_all.deb"):
        (dist / name).write_bytes(b"deb")
    (tmp_path / "key.pub").write_text(KEY + "\n")
    return ["provision", "--boot", str(boot), "--debs", str(dist), "--broker", "mqtt://10.0.0.1"]


def test_a_card_is_told(words, tmp_path, capsys):
    more = ["--id", "pi-7", "--enroll", "T0KEN", "--wifi", "home:a:secret", "--country", "DE"]
    assert run([*words, *more, "--ssh-key", str(tmp_path / "key.pub"), "--json"]) == 0
    said = capsys.readouterr().out
    assert "T0KEN" not in said
    found = json.loads(said)
    assert (found["by"], found["written"]) == ("cmdline", True)
    boot = tmp_path / "bootfs"
    assert {one["name"] for one in found["files"]} == {
        str(path.relative_to(boot))
        for path in boot.rglob("*")
        if path.is_file() and path.name not in ("config.txt", "kernel8.img")
    }
    assert tomllib.loads((boot / "atoll/settings.toml").read_text())["device"]["token"] == "T0KEN"
    assert "a:secret" not in (boot / "atoll/wifi.nmconnection").read_text()
    assert (boot / "atoll/authorized_keys").read_text() == KEY + "\n"
    assert "country=DE\n" in (boot / "atoll/firstboot.sh").read_text()
    assert " systemd.run=/boot/firmware/atoll/firstboot.sh " in (boot / "cmdline.txt").read_text()


def test_a_dry_run_writes_nothing(words, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    assert run([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would be written" in said
    assert "atoll/debs/atoll_1_arm64.deb (3 bytes)" in said
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "bootfs/cmdline.txt").read_text() == CMDLINE


def test_cloud_init_where_the_card_has_it_and_not_where_it_is_unwanted(words, tmp_path, capsys):
    data = tmp_path / "bootfs/user-data"
    data.write_text("#cloud-config\n")
    assert run(words) == 0
    assert "runcmd:" in data.read_text()
    assert (tmp_path / "bootfs/cmdline.txt").read_text() == CMDLINE
    assert "first start alone" in capsys.readouterr().out
    data.write_text("#cloud-config\n")
    assert run([*words, "--by", "cmdline"]) == 0
    assert data.read_text() == "#cloud-config\n"
    assert "systemd.run" in (tmp_path / "bootfs/cmdline.txt").read_text()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--broker", ""], "as the board reaches it"),
        (["--broker", "http://x"], "mqtt:// or mqtts://"),
        (["--broker", "10.0.0.1,localhost"], "localhost is the board itself"),
        (["--site", "a/b"], "site 'a/b'"),
        (["--id", "-x"], "device '-x'"),
        (["--token", "T"], "name it with --id"),
        (["--id", "x", "--token", "T\nU"], "in one line"),
        (["--source", "proc"], "NAME=KIND:WHAT"),
        (["--wifi", "home"], "SSID:PASS"),
        (["--wifi", ":secret12"], "SSID:PASS"),
        (["--wifi", "x" * 33 + ":secret12"], "1 to 32 bytes"),
        (["--wifi", "home:short"], "8 to 63"),
        (["--country", "de"], "two capital letters"),
        (["--ssh-key", "KEY"], "key.pub is the public one"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(words, tmp_path, capsys, more, says):
    (tmp_path / "key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    more = [str(tmp_path / "key") if word == "KEY" else word for word in more]
    assert run([*words, *(f"{a}={b}" for a, b in zip(more[::2], more[1::2], strict=True))]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "bootfs/atoll").exists()


@pytest.mark.parametrize(
    ("option", "says"),
    [("--boot", "no such folder"), ("--debs", "no package"), ("--ssh-key", "No such")],
)
def test_what_is_not_there(words, capsys, option, says):
    assert run([*words, option, "/nowhere"]) == 1
    assert says in capsys.readouterr().err
