"""`atoll flash --board rpi`: files as cards, a real loop device, and cards that lie."""

import os
import subprocess

import pytest

from atoll.cli import flash_disk
from atoll.cli.disks import Disk, DiskError
from atoll.cli.flash_disk import CHUNK_BYTES, image_size, verify
from atoll.cli.main import run

SIZE = CHUNK_BYTES * 2 + 512 * 7


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "sd.img"
    data = bytearray(os.urandom(SIZE))
    data[510:512] = b"\x55\xaa"
    path.write_bytes(data)
    return path


def words(image, device, *more):
    return ["flash", "--board", "rpi", "--image", str(image), "--device", str(device), *more]


def test_a_file_is_written_and_read_back(image, tmp_path, capsys):
    card = tmp_path / "card"
    card.write_bytes(bytes(SIZE + 4_096))
    assert run(words(image, card, "--dry-run")) == 0
    assert "would be written" in capsys.readouterr().out
    assert card.read_bytes() == bytes(SIZE + 4_096)
    assert run(words(image, card)) == 0
    assert "read back the same" in capsys.readouterr().out
    assert card.read_bytes() == image.read_bytes() + bytes(4_096)


@pytest.mark.root
def test_a_loop_device_is_written_and_a_mounted_one_refused(image, tmp_path, capsys):
    card = tmp_path / "card"
    card.write_bytes(bytes(SIZE * 2))
    made = subprocess.run(["losetup", "--find", "--show", card], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"platform: no loop devices: {made.stderr.strip()}")
    loop = made.stdout.strip()
    try:
        assert run(words(image, loop)) == 0
        with open(loop, "rb") as file:
            assert file.read(SIZE) == image.read_bytes()
        assert card.read_bytes()[:SIZE] == image.read_bytes()
        with image.open("ab") as file:
            file.truncate(SIZE * 3)
        assert run(words(image, loop)) == 1
        assert "too small" in capsys.readouterr().err
        subprocess.run(["mkfs.ext4", "-q", "-F", loop], check=True)
        place = tmp_path / "mounted"
        place.mkdir()
        subprocess.run(["mount", loop, place], check=True)
        try:
            assert run(words(image, loop, "--force")) == 1
            assert f"is mounted at {place}" in capsys.readouterr().err
        finally:
            subprocess.run(["umount", place], check=True)
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


@pytest.mark.parametrize("place", [0, 511, CHUNK_BYTES, SIZE - 1])
def test_a_card_that_reads_back_wrong_is_told_with_the_place(image, tmp_path, place):
    card = tmp_path / "card"
    data = bytearray(image.read_bytes())
    data[place] ^= 1
    card.write_bytes(data)
    descriptor = os.open(card, os.O_RDONLY)
    try:
        with pytest.raises(DiskError, match=f"byte {place:,} reads back wrong"):
            verify(descriptor, Disk(card, None, ""), SIZE, "", image)
    finally:
        os.close(descriptor)


def test_a_card_that_ends_early(image, tmp_path):
    card = tmp_path / "card"
    card.write_bytes(image.read_bytes()[:-512])
    descriptor = os.open(card, os.O_RDONLY)
    try:
        with pytest.raises(DiskError, match=f"byte {SIZE - 512:,} reads back wrong"):
            verify(descriptor, Disk(card, None, ""), SIZE, "", image)
    finally:
        os.close(descriptor)


def test_an_image_that_changes_meanwhile(image, tmp_path):
    descriptor = os.open(image, os.O_RDONLY)
    try:
        with pytest.raises(DiskError, match="changed while it was read"):
            verify(descriptor, Disk(image, None, ""), SIZE, "0" * 64, image)
    finally:
        os.close(descriptor)


def test_a_disk_that_is_full_or_broken_says_how_far_it_came(image, tmp_path, monkeypatch, capsys):
    card = tmp_path / "card"
    card.touch()

    def full(_descriptor, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(flash_disk.os, "write", full)
    assert run(words(image, card)) == 1
    assert "No space left on device after 0 bytes: half written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xfd7zXZ\x00" + bytes(600), "is packed: unpack it first (xz -d)"),
        (bytes(512), "no image of a disk"),
        (b"", "no image of a disk"),
    ],
)
def test_what_is_no_image(tmp_path, data, says):
    path = tmp_path / "x.img"
    path.write_bytes(data)
    with pytest.raises(DiskError) as caught:
        image_size(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("more", "says", "code"),
    [
        (["--board", "rpi"], "--device /dev/sdX and --image FILE", 2),
        (["--board", "rpi", "--device", "/dev/null"], "--image FILE", 2),
        (["--board", "microbit", "--id", "x", "--device", "/dev/sdb"], "of --board rpi alone", 2),
        (["--board", "microbit"], "how is the device called", 2),
        (["--board", "rpi", "--device", "IMAGE", "--image", "IMAGE"], "is the image itself", 1),
        (["--board", "rpi", "--device", "/dev/null", "--image", "IMAGE"], "is no disk", 1),
        (["--board", "rpi", "--device", "/dev/null", "--image", "/nowhere"], "No such file", 1),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(image, capsys, more, says, code):
    more = [str(image) if word == "IMAGE" else word for word in more]
    assert run(["flash", *more]) == code
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
