"""Boot partitions as they are, and folders that are none."""

import pytest

from atoll.cli.card import (
    RUN,
    SCRIPT,
    TEXT_BYTES_MAX,
    CardError,
    Plan,
    check_boot,
    command_line,
    packages_in,
    user_data,
    way_of,
    write,
)

CMDLINE = "console=serial0,115200 console=tty1 root=PARTUUID=4a-02 rootfstype=ext4 rootwait quiet\n"


@pytest.fixture
def boot(tmp_path):
    folder = tmp_path / "bootfs"
    folder.mkdir()
    (folder / "cmdline.txt").write_text(CMDLINE)
    (folder / "config.txt").write_text("arm_64bit=1\n")
    (folder / "kernel8.img").write_bytes(b"")
    (folder / "issue.txt").write_text("Raspberry Pi reference 2024-11-19\nGenerated\n")
    return folder


def test_a_boot_partition(boot):
    check_boot(boot)
    assert way_of(boot) == "cmdline"
    (boot / "user-data").write_text("#cloud-config\n")
    assert way_of(boot) == "cloud-init"


@pytest.mark.parametrize("name", ["cmdline.txt", "config.txt", "kernel8.img"])
def test_what_is_missing_is_named(boot, name):
    (boot / name).unlink()
    with pytest.raises(CardError, match=name if name != "kernel8.img" else "a kernel"):
        check_boot(boot)


def test_other_folders_are_refused_with_what_is_right(boot, tmp_path):
    with pytest.raises(CardError, match="no such folder; wanted is the card's first partition"):
        check_boot(tmp_path / "none")
    root = tmp_path / "rootfs"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text("")
    with pytest.raises(CardError, match="a whole system and no boot partition"):
        check_boot(root)
    (root / "boot").mkdir()
    boot.rename(root / "boot/firmware")
    with pytest.raises(CardError, match="rootfs/boot/firmware is it"):
        check_boot(root)


def test_a_card_that_is_too_old_or_broken(boot):
    (boot / "issue.txt").write_text("Raspberry Pi reference 2022-09-22\n")
    with pytest.raises(CardError, match="2022-09: its Python is too old; from 2023-10"):
        check_boot(boot)
    (boot / "cmdline.txt").write_text("quiet")
    with pytest.raises(CardError, match="names no root="):
        check_boot(boot)
    (boot / "cmdline.txt").write_bytes(b"root=\xff")
    with pytest.raises(CardError, match="is no text"):
        check_boot(boot)
    (boot / "cmdline.txt").write_bytes(b"x" * (TEXT_BYTES_MAX + 1))
    with pytest.raises(CardError, match="262,144"):
        check_boot(boot)


def test_the_command_line_keeps_its_words_and_has_ours_once():
    once = command_line(CMDLINE)
    assert once == f"{CMDLINE.rstrip()} {' '.join(RUN)}\n"
    assert command_line(once) == once
    theirs = f"{CMDLINE.strip()} systemd.run=/boot/firmware/firstrun.sh {RUN[1]} {RUN[3]}"
    assert command_line(theirs).split() == [*theirs.split(), RUN[0], RUN[2]]


OURS = f'- [ "/bin/sh", "{SCRIPT}", "now" ]'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("#cloud-config\n# a note\n", f"#cloud-config\n# a note\nruncmd:\n{OURS}\n"),
        (
            "#cloud-config\nruncmd:\n  # mine\n  - [ ls ]\npackages: [x]\n",
            f"#cloud-config\nruncmd:\n  {OURS}\n  # mine\n  - [ ls ]\npackages: [x]\n",
        ),
        ("#cloud-config\nruncmd:\n- ls\n", f"#cloud-config\nruncmd:\n{OURS}\n- ls\n"),
    ],
)
def test_user_data_gets_one_command_more(text, wanted):
    assert user_data(text) == wanted
    assert user_data(wanted) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("#!/bin/sh\n", "not #cloud-config"),
        ("#cloud-config\nruncmd: [ [ ls ] ]\n", "no plain list"),
        ("#cloud-config\nruncmd:\n", "no plain list"),
        ("#cloud-config\nruncmd:\npackages:\n", "no plain list"),
        ("#cloud-config\nruncmd:\n- a\nruncmd:\n- b\n", "no plain list"),
    ],
)
def test_user_data_that_is_not_understood_is_left_alone(text, says):
    with pytest.raises(CardError, match=f"{says}.*--by cmdline"):
        user_data(text)


def debs(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"deb")
    return folder


def test_packages_of_boards_and_what_lies_beside_them(tmp_path):
    folder = debs(tmp_path / "dist", "atoll_1_amd64.deb", "atoll_1_arm64.deb", "atoll_1_armhf.deb",
                  "atoll-device_1_all.deb", "atoll-gateway_1_all.deb",
                  "python3-cbor2_5_arm64.deb", "atoll-1.whl")  # fmt: skip
    assert [path.name for path in packages_in(folder)] == [
        "atoll-device_1_all.deb",
        "atoll_1_arm64.deb",
        "atoll_1_armhf.deb",
        "python3-cbor2_5_arm64.deb",
    ]
    debs(folder, "atoll_2_arm64.deb")
    with pytest.raises(CardError, match="atoll in several versions: 1, 2"):
        packages_in(folder)
    with pytest.raises(CardError, match="no package atoll-device: make debs"):
        packages_in(debs(tmp_path / "other", "atoll_1_arm64.deb"))
    with pytest.raises(CardError, match="no package atoll and atoll-device"):
        packages_in(tmp_path / "nowhere")


def plan(tmp_path, text="root=x\n"):
    package = debs(tmp_path / "dist", "atoll_1_arm64.deb") / "atoll_1_arm64.deb"
    return Plan("cmdline", {"settings.toml": "token"}, (package,), "cmdline.txt", text)


def test_files_are_their_owner_s_alone_and_an_earlier_try_is_gone(boot, tmp_path):
    (boot / "atoll").mkdir()
    (boot / "atoll/stale").write_text("")
    write(boot, plan(tmp_path))
    assert (boot / "atoll/settings.toml").read_text() == "token"
    assert (boot / "atoll/settings.toml").stat().st_mode & 0o777 == 0o600
    assert (boot / "atoll/debs/atoll_1_arm64.deb").read_bytes() == b"deb"
    assert (boot / "cmdline.txt").read_text() == "root=x\n"
    assert not (boot / "atoll/stale").exists()


def test_a_failure_leaves_a_card_that_starts_as_it_did(boot, tmp_path):
    wanted = plan(tmp_path)
    wanted.packages[0].unlink()
    wanted.packages[0].mkdir()  # cannot be read
    with pytest.raises(IsADirectoryError):
        write(boot, wanted)
    assert not (boot / "atoll").exists()
    assert (boot / "cmdline.txt").read_text() == CMDLINE


def test_a_card_without_room(boot, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
    wanted = plan(tmp_path)
    wanted.packages[0].write_bytes(bytes(3 << 20))
    with pytest.raises(CardError, match="3 MiB are needed, 1 MiB are free"):
        write(boot, wanted)
    assert not (boot / "atoll").exists()
