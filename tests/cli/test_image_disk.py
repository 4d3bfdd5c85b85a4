"""Archives, tables and file systems of an image, read back, by other programs where it can be."""

import shutil
import struct
import subprocess

import pytest

from atoll.cli.image_disk import (
    ALIGN_BYTES,
    FAT,
    LINUX,
    assemble,
    cpio,
    linux_system,
    needed_modules,
    room_for,
)


def read_cpio(data):
    """Names, modes and contents, as the kernel takes them apart."""
    found, place = {}, 0
    while True:
        assert data[place : place + 6] == b"070701"
        fields = [int(data[place + 6 + 8 * i : place + 14 + 8 * i], 16) for i in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = data[place + 110 : place + 109 + length].decode()
        place += -(-(110 + length) // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (mode, data[place : place + size])
        place += -(-size // 4) * 4


def test_an_archive_reads_back():
    entries = [("bin", 0o40755, b""), ("bin/a", 0o100755, b"12345"), ("init", 0o100755, b"x" * 99)]
    assert read_cpio(cpio(entries)) == {name: (mode, data) for name, mode, data in entries}


def test_modules_come_after_what_they_depend_on(tmp_path):
    tree = {"ext4": "jbd2,mbcache", "sdhci-iproc": "sdhci-pltfm", "sdhci-pltfm": "sdhci"}
    for name in (*tree, "jbd2", "mbcache", "crc32c_generic", "sdhci"):
        needs = tree.get(name, "")
        text = b"\x7fELF\0license=GPL\0depends=" + needs.encode() + b"\0name=x\0"
        (tmp_path / f"{name}.ko").write_bytes(text)
    wanted = ("sdhci-iproc", "ext4", "not-in-this-kernel")
    names = [path.stem for path in needed_modules(tmp_path, wanted)]
    assert names == [
        "crc32c_generic",
        "sdhci",
        "sdhci-pltfm",
        "sdhci-iproc",
        "jbd2",
        "mbcache",
        "ext4",
    ]


def test_a_table_of_partitions(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"\1" * (ALIGN_BYTES + 512))
    two.write_bytes(b"\2" * 512 + bytes(4 * ALIGN_BYTES - 512))
    out = tmp_path / "sd.img"
    assert assemble([(FAT, one), (LINUX, two)], out) == 7 * ALIGN_BYTES == out.stat().st_size
    data = out.read_bytes()
    assert data[510:512] == b"\x55\xaa"
    entries = [struct.unpack("<B3xB3xII", data[446 + 16 * i : 462 + 16 * i]) for i in range(3)]
    unit = ALIGN_BYTES // 512
    assert entries == [(0, FAT, unit, unit + 1), (0, LINUX, 3 * unit, 4 * unit), (0, 0, 0, 0)]
    assert data[ALIGN_BYTES : 2 * ALIGN_BYTES + 512] == one.read_bytes()
    assert data[3 * ALIGN_BYTES :] == two.read_bytes()
    assert out.stat().st_blocks * 512 < 3 * ALIGN_BYTES  # holes stay holes
    if shutil.which("sfdisk"):
        shown = subprocess.run(
            ["sfdisk", "--dump", out], capture_output=True, text=True, check=True
        )
        assert "type=c" in shown.stdout


def test_half_an_image_is_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        assemble([(FAT, tmp_path / "none")], tmp_path / "sd.img")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_holds_its_tree_and_has_its_label(tmp_path):
    if shutil.which("mke2fs") is None:
        pytest.skip("mke2fs is missing: apt install e2fsprogs")
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(40):
        (tree / f"file{number}").write_bytes(bytes(100_000))
    size = room_for(tree)
    file = linux_system(tree, "atoll-test", size, tmp_path / "x.img")
    assert file.stat().st_size == size
    shown = subprocess.run(["dumpe2fs", "-h", file], capture_output=True, text=True, check=True)
    assert "atoll-test" in shown.stdout
    checked = subprocess.run(["e2fsck", "-fn", file], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
