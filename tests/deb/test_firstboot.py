"""`atoll provision` onto a Debian that starts from the card: the first start stages, the second one
installs without a network, and the device is up with the settings of the card.
"""

import re
import shutil
from pathlib import Path

import pytest
from deb_machine import Machine, boot_once, refusal
from deb_root import base, run

from atoll.cli.card import SCRIPT
from atoll.cli.main import run as atoll
from atoll.cli.site import wait_until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(900)]

CMDLINE = "console=tty1 root=PARTUUID=4a-02 rootwait\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBr ana@laptop\n"
STATE = Path("var/lib/atoll-provision")
INSTALL_S = 300.0


@pytest.fixture
def card(packages, tmp_path):
    """A system whose boot partition was provisioned; the packages are this machine's."""
    root = tmp_path / "root"
    run("cp", "-a", base(), root)
    run("chroot", root, "useradd", "-m", "-u", "1000", "pi")
    boot = root / "boot/firmware"
    boot.mkdir(parents=True)
    for name, text in (("cmdline.txt", CMDLINE), ("config.txt", ""), ("kernel8.img", "")):
        (boot / name).write_text(text)
    (tmp_path / "key.pub").write_text(KEY)
    debs = tmp_path / "debs"
    debs.mkdir()
    for package in packages[0]:  # a board's, as far as provision looks
        shutil.copy(package, debs / package.name.replace("amd64", "arm64"))
    words = ["--id", "pi-7", "--broker", "mqtt://10.0.0.1", "--token", "T0KEN",
             "--wifi", "home:a secret", "--ssh-key", str(tmp_path / "key.pub")]  # fmt: skip
    assert atoll(["provision", "--boot", str(boot), "--debs", str(debs), *words]) == 0
    for package in (boot / "atoll/debs").glob("*_arm64.deb"):
        package.rename(package.with_name(package.name.replace("arm64", "amd64")))
    return root


def first_start(root):
    """As the word of the command line has it: systemd runs this path."""
    (boot,) = re.findall(r" systemd\.run=(\S+)", (root / "boot/firmware/cmdline.txt").read_text())
    assert boot == SCRIPT
    return run("unshare", "--net", "chroot", root, "/bin/sh", SCRIPT)


def test_the_first_start_leaves_nothing_secret_on_the_card(card):
    assert "installed next" in first_start(card)
    boot = card / "boot/firmware"
    assert (boot / "cmdline.txt").read_text() == CMDLINE
    assert not (boot / "atoll").exists()
    assert (card / STATE / "settings.toml").stat().st_mode & 0o777 == 0o600
    assert (card / STATE).stat().st_mode & 0o777 == 0o700
    profile = card / "etc/NetworkManager/system-connections/atoll-wifi.nmconnection"
    assert profile.stat().st_mode & 0o777 == 0o600
    keys = card / "home/pi/.ssh/authorized_keys"
    assert keys.read_text() == KEY
    assert (keys.stat().st_uid, keys.stat().st_mode & 0o777) == (1000, 0o600)
    assert (
        card / "etc/systemd/system/multi-user.target.wants/atoll-provision.service"
    ).is_symlink()


def test_a_card_without_a_package_for_its_machine_says_so_and_keeps_trying(card):
    for package in (card / "boot/firmware/atoll/debs").glob("atoll_*"):
        package.rename(package.with_name(package.name.replace("amd64", "armhf")))
    first_start(card)
    said = run("chroot", card, "/bin/sh", f"/{STATE}/install.sh", code=1)
    assert "no package for amd64" in said
    assert (card / STATE / "settings.toml").exists()


def test_both_starts_under_systemd_and_without_a_network(card):
    if reason := refusal():
        pytest.skip(reason)
    line = card / "boot/firmware/cmdline.txt"
    boot_once(card, *(word for word in line.read_text().split() if word.startswith("systemd.")))
    assert line.read_text() == CMDLINE
    assert (card / STATE / "install.sh").exists()
    with Machine(card) as machine:
        wait_until(
            lambda: (
                not (card / STATE).exists()
                and machine.property("atoll-device", "ActiveState") in ("active", "activating")
            ),
            INSTALL_S,
            "the packages are installed",
        )
        assert machine.property("atoll-provision", "Result") == "success"
        own = card / "etc/atoll/conf.d/50-site.toml"
        assert machine.run("stat", "-c", "%U:%G %a", f"/{own.relative_to(card)}") == (
            "root:atoll 640\n"
        )
        assert 'token = "T0KEN"' in own.read_text()
        assert not (card / "etc/systemd/system/atoll-provision.service").exists()
        assert "ii  atoll-device" in machine.run("dpkg", "--list", "atoll-device")
        # It is the device of the card, which looks for its site.
        wait_until(
            lambda: "10.0.0.1" in machine.run("journalctl", "--no-pager", "-u", "atoll-device"),
            INSTALL_S,
            "the device has read its settings",
        )
