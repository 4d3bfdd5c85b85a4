"""Images for microcontrollers: which boards there are, and how an image is made from a checkout."""

import fcntl
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from atoll.cli.options import UsageError

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "firmware_stubs"
# What building takes, and the Debian package that has it.
TOOLS = {
    "make": "make",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi",
    "arm-none-eabi-nm": "binutils-arm-none-eabi",
}

# ... and emulation.
QEMU = {"qemu-system-arm": "qemu-system-arm"}
NODE = {"node": "nodejs", "npm": "npm"}


class FirmwareError(Exception):
    """There is no image; the message says what is missing and how to get it."""

    exit_code = 1


class Board(NamedTuple):
    """A board: its core, whether it can be bought as hardware, whether it has Ethernet."""

    core: str
    hardware: bool
    ethernet: bool


BOARDS = {
    "microbit": Board("Cortex-M0", True, False),
    "netduinoplus2": Board("Cortex-M4F", True, False),
    "pico": Board("Cortex-M0+", True, False),
    "lm3s6965evb": Board("Cortex-M3", True, True),
    "mps2-an385": Board("Cortex-M3", False, True),
    "mps2-an386": Board("Cortex-M4F", False, True),
    "mps2-an500": Board("Cortex-M7", False, True),
    "mps2-an505": Board("Cortex-M33", False, True),
}


class Image(NamedTuple):
    """An image, and where its identity block belongs."""

    elf: Path
    identity: int


# An emulated board, or one whose flash was erased, remembers nothing, and must not be taken for its
# own past: its boots are numbered from the seconds since 2026, which suffices until 2042.
_EPOCH_S = 1_767_225_600


def floor_now() -> int:
    """Where the boots of a board that is started or written now are numbered from."""
    return int(time.time()) - _EPOCH_S


def need(tools: dict[str, str], install: str = "") -> None:
    """FirmwareError that names the missing tools and how to get them (`install`, or by apt)."""
    missing = [package for tool, package in tools.items() if shutil.which(tool) is None]
    if missing:
        how = install or f"apt install {' '.join(missing)}"
        raise FirmwareError(f"missing on this machine: {how}")


def emulator_tools(board: str) -> dict[str, str]:
    """What a board's emulation takes, and the Debian package that has it."""
    return NODE if board == "pico" else QEMU


def emulator(board: str) -> list[str]:
    """The words that start a board's emulator; all that follow them are QEMU's.

    QEMU has no RP2040: emulator/pico.mjs makes one of rp2040js, had when it is first needed.
    """
    if board != "pico":
        return ["qemu-system-arm", "-M", board]
    script = [sys.executable, str(SOURCES / "rp2040js.py"), str(ROOT / "build" / "rp2040js")]
    done = subprocess.run(script, capture_output=True, text=True)
    if done.returncode:
        raise FirmwareError(done.stderr.strip())
    return ["node", str(SOURCES / "emulator" / "pico.mjs")]


def build(board: str, app: str, link: str = "serial") -> Image:
    """The image of an application for a board and its link, made anew if a source has changed."""
    if not (SOURCES / "Makefile").is_file():
        raise FirmwareError(
            "images are built from a checkout of the repository; this is an installed package"
        )
    need(TOOLS)
    folder = ROOT / "build" / "firmware"
    folder.mkdir(parents=True, exist_ok=True)
    words = ["make", "-s", "-C", str(SOURCES), f"BUILD={folder}", f"BOARD={board}", f"APP={app}"]
    # Two builds at once would write the same files.
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run([*words, f"LINK={link}", "image"], capture_output=True, text=True)
    if done.returncode:
        tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise FirmwareError(f"the image of {board} was not built: {tail}")
    elf = folder / board / (f"{app}.elf" if link == "serial" else f"{app}-{link}.elf")
    return Image(elf, symbol(elf, "atoll_identity_start"))


def symbol(elf: Path, name: str) -> int:
    """The address of a symbol in an image."""
    listed = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == name:
            return int(words[0], 16)
    raise FirmwareError(f"{elf} has no symbol {name}")


def plain(broker: Any) -> Any:
    """The broker, if a board can speak with it: UsageError for one by TLS."""
    if broker.tls:
        raise UsageError("--broker: boards speak plain MQTT; mqtts:// is not for them")
    return broker


def broker_address(broker: Any) -> str:
    """The broker's IPv4 address, which a board is told: boards look up no names."""
    try:
        found = socket.getaddrinfo(broker.host, broker.port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        raise UsageError(
            f"--broker: {broker.host} has no IPv4 address, which boards need"
        ) from None
    return str(found[0][4][0])
