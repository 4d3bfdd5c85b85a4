"""`atoll flash`: the commands, what goes wrong, and a whole turn with a tool that records its words
and a board in QEMU.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import time
from functools import partial

import pytest

from atoll.cli import flash
from atoll.cli.firmware import BOARDS, Image, build, floor_now
from atoll.cli.flash import WAYS
from atoll.cli.main import run
from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.gateway.enrolment import Enrolment
from atoll.wire.identity import Identity, encode_identity

WORDS = ["flash", "--board", "microbit", "--id", "pump-3"]
# Stands in for pyOCD: what it is to write it keeps in a folder, and reads back from there.
PYOCD = """#!/bin/sh
for last; do :; done
case "$*" in
load*--base-address*) cp "$last" {kept}/identity ;;
load*) cp "${{last%.elf}}.bin" {kept}/image ;;
esac
for word; do
    case "$word" in
    "savemem 0x0 "*) cp {kept}/image "${{word##* }}" ;;
    savemem*) cp {kept}/identity "${{word##* }}" ;;
    esac
done
"""


def test_every_board_that_can_be_bought_has_a_way():
    assert set(WAYS) == {name for name, board in BOARDS.items() if board.hardware}


ETHERNET = ["flash", "--board", "lm3s6965evb", "--id", "pump-4", "--link", "ethernet"]


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (2, [*ETHERNET, "--broker", "127.0.0.1"], "127.0.0.1 is this machine alone"),
        (2, [*ETHERNET, "--port", "/dev/ttyACM0"], "has no serial line to bridge"),
        (2, [*WORDS, "--link", "ethernet"], "microbit has no Ethernet"),
        (1, ["flash", "--board", "mps2-an385", "--id", "x"], "atoll emulate --board mps2-an385"),
        (1, ["flash", "--board", "microbit", "--id", "a/b"], "1 to 64 of the characters"),
        (1, [*WORDS, "--source", "adc", "--dataset", "v"], "rate 0.0 Hz"),
    ],
)
def test_what_cannot_be_written_is_one_line(code, words, said, capsys):
    assert run(words) == code
    errors = capsys.readouterr().err
    assert said in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.emulator
@pytest.mark.parametrize("board", sorted(WAYS))
def test_a_dry_run_prints_the_commands(board, capsys):
    assert run(["flash", "--board", board, "--id", "pump-3", "--dry-run"]) == 0
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert {words[0] for words in lines} <= {WAYS[board].tool, "cmp"}
    image = build(board, "node")
    text = json.dumps(lines)
    # A UF2 file bears the address in itself.
    assert f"{image.identity:#x}" in text or "identity.uf2" in text
    assert str(image.elf.with_suffix("")) in text


def test_a_pico_is_written_by_a_copy_where_its_volume_is(tmp_path):
    volume = tmp_path / "RPI-RP2"
    volume.mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 {volume} vfat rw 0 0\n")
    assert flash._volume(mounts) == ""  # of that name, and no boot ROM's
    (volume / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n")
    assert flash._volume(mounts) == str(volume)


def test_identity_and_image_of_a_pico_in_one_file(tmp_path):
    (tmp_path / "node.bin").write_bytes(b"image" * 1000)
    (tmp_path / "identity.bin").write_bytes(b"who")
    flash._write_uf2(Image(tmp_path / "node.elf", 0x101E_F000), tmp_path / "identity.bin")
    alone, both = ((tmp_path / f"{name}.uf2").read_bytes() for name in ("identity", "all"))
    assert len(alone) == 16 * 512
    assert len(both) == (2 * 16 + 16) * 512
    assert both[32 * 512 + 32 :][:4] == b"who\xff"


@pytest.mark.emulator
def test_a_board_by_ethernet_is_told_the_address_of_the_broker(tmp_path, monkeypatch, capsys):
    """The tool that writes is one that keeps what it was given."""
    tool = tmp_path / "openocd"
    script = 'for word; do set -- ${word}; [ "$1" = program ] && cp $2 KEPT; done; exit 3'
    tool.write_text("#!/bin/sh\n" + script.replace("KEPT", str(tmp_path / "kept")) + "\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    words = [*ETHERNET, "--broker", "mqtt://192.0.2.7:1884", "--address", "192.0.2.9/24"]
    assert run(words) == 1
    assert "openocd ended with 3" in capsys.readouterr().err
    kept = (tmp_path / "kept").read_bytes()
    assert kept[-22:-4] == bytes([192, 0, 2, 7, 0x5C, 7, 192, 0, 2, 9, 255, 255, 255, 0]) + bytes(4)


@pytest.mark.emulator
def test_a_missing_tool_and_a_tool_that_fails_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", os.environ["PATH"] + f":{tmp_path}")
    if "missing" in _said(capsys):
        tool = tmp_path / "pyocd"
        tool.write_text("#!/bin/sh\necho no probe is connected\nexit 3\n")
        tool.chmod(0o755)
    said = _said(capsys)
    assert "pyocd ended with 3: no probe is connected; plug the micro:bit in by USB" in said


def _said(capsys):
    assert run(WORDS) == 1
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.emulator
@pytest.mark.parametrize("damaged", ["image", "identity"])
def test_what_was_written_otherwise_is_found(damaged, tmp_path, monkeypatch, capsys):
    """Also where the tool itself has nothing to say of it."""
    tool = tmp_path / "pyocd"
    spoil = f"printf x | dd of={tmp_path}/{damaged} conv=notrunc 2>/dev/null"
    spoilt = f"[ $1 = load ] || {spoil}\nfor word;"
    tool.write_text(PYOCD.format(kept=tmp_path).replace("for word;", spoilt))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:" + os.environ["PATH"])
    assert run([*WORDS, "--broker", "mqtt://127.0.0.1:1", "--timeout", "0.1"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{damaged}.read" in said
    assert "cmp ended with 1" in said
    assert "differ: byte 1" in said
    assert "plug the micro:bit in by USB" in said


@pytest.mark.emulator
def test_an_stm32_is_written_by_its_port_where_that_is_how_it_can_be(tmp_path, monkeypatch, capsys):
    (tmp_path / "stm32flash").write_text("#!/bin/sh\n")
    (tmp_path / "stm32flash").chmod(0o755)
    monkeypatch.setattr(flash, "build", partial(_built, build("netduinoplus2", "node")))
    words = ["flash", "--board", "netduinoplus2", "--id", "pump-5", "--dry-run"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run([*words, "--port", "/dev/ttyUSB0"]) == 0
    image, identity = map(shlex.split, capsys.readouterr().out.splitlines())
    assert (image[:3], image[-2:]) == (["stm32flash", "-v", "-w"], ["0x8000000", "/dev/ttyUSB0"])
    assert identity[4:] == ["-S", "0x80ffc00", "-g", "0x8000000", "/dev/ttyUSB0"]
    assert run(words) == 0  # without a port it can only be by USB
    assert capsys.readouterr().out.startswith("dfu-util ")


def _built(image, *_words):
    return image


@pytest.mark.emulator
@pytest.mark.broker
def test_it_waits_for_the_birth(tmp_path, monkeypatch, capsys):
    """The tool is a stand-in that notes its words; the board runs in QEMU, and is born."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    tool = tmp_path / "pyocd"
    tool.write_text(PYOCD.format(kept=tmp_path) + f'echo "$@" >>{tmp_path}/words\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:" + os.environ["PATH"])
    image = build("microbit", "node")
    block = tmp_path / "identity"
    block.write_bytes(encode_identity(Identity("lab", "pump-3", "z", floor=floor_now() + 60)))
    line = tmp_path / "line"
    command = ["qemu-system-arm", "-M", "microbit", "-kernel", image.elf, "-display", "none"]
    command += ["-monitor", "none", "-serial", "chardev:line"]
    command += ["-chardev", f"socket,id=line,path={line},server=on,wait=off"]
    command += ["-device", f"loader,file={block},addr={image.identity:#x},force-raw=on"]
    broker = BrokerChild(tmp_path / "broker", kind="mosquitto")
    broker.start()
    try:
        with subprocess.Popen(command) as board:
            words = ["--port", f"unix:{line}", "--site", "lab"]
            words += ["--broker", f"mqtt://127.0.0.1:{broker.port}"]
            assert run([*WORDS, *words]) == 0
            board.terminate()
        assert "pump-3: born, boot" in capsys.readouterr().out
        assert len((tmp_path / "words").read_text().splitlines()) == 4
        assert run([*WORDS[:-1], "pump-4", "--wait", "0.2", *words]) == 1
        assert "not born within 0.2 s" in capsys.readouterr().err
    finally:
        broker.stop()


@pytest.fixture
def pyocd(tmp_path, monkeypatch):
    """A stand-in for the tool: it keeps the identity that it is to write, and what it resets is a
    board in QEMU.
    """
    image = build("microbit", "node")
    kept, line, pid = (tmp_path / name for name in ("identity", "line", "pid"))
    board = f"qemu-system-arm -M microbit -kernel {image.elf} -display none -monitor none"
    board += f" -chardev socket,id=line,path={line},server=on,wait=off -serial chardev:line"
    board += f" -device loader,file={kept},addr={image.identity:#x},force-raw=on"
    tool = tmp_path / "tools" / "pyocd"
    tool.parent.mkdir()
    tool.write_text(
        PYOCD.format(kept=tmp_path)
        + f'case "$*" in\nreset*) {board} >/dev/null 2>&1 & echo $! >{pid} ;;\nesac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:" + os.environ["PATH"])
    yield tool, kept, line
    if pid.exists():
        os.kill(int(pid.read_text()), signal.SIGTERM)


@pytest.mark.emulator
@pytest.mark.site
def test_a_board_is_written_with_a_secret_for_its_token(new_site, pyocd, capsys):
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    tool, kept, line = pyocd
    enrolment = Enrolment(new_site.folder / "gateway" / "access", new_site.site)
    now_ms = int(time.time() * 1000)
    token, other = (enrolment.enroll_device(name, now_ms) for name in ("pump-3", "pump-4"))
    password = enrolment.enroll_client("alice")
    new_site.start_gateway()
    url = f"mqtt://alice:{password}@{new_site.url.rpartition('@')[2].rpartition('/')[2]}"
    words = [*WORDS, "--token", token, "--broker", url, "--site", new_site.site]
    words += ["--port", f"unix:{line}", "--wait", "60"]
    assert run(words) == 0
    said = capsys.readouterr()
    assert "pump-3: born, boot" in said.out
    assert enrolment.entries()["pump-3"].role == "device"
    # Its secret is in what was written, as hexadecimal digits, and in nothing that was said.
    (secret,) = re.findall(rb"[0-9a-f]{64}", kept.read_bytes())
    assert secret.decode() not in said.out + said.err
    assert token not in said.out + said.err
    # A token is used once, and a tool that fails then leaves none.
    assert run(words) == 1
    assert "pump-3 has no password: the token is refused" in capsys.readouterr().err
    tool.write_text("#!/bin/sh\nexit 1\n")
    words = [{token: other, "pump-3": "pump-4"}.get(word, word) for word in words]
    assert run(words) == 1
    assert "the token is used up: atoll enroll pump-4 again" in capsys.readouterr().err
