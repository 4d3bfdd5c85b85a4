"""`atoll flash`: write the firmware and a board's identity, and wait until the board is born.

For a Raspberry Pi it is flash_disk.py that writes: an image onto a card.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from atoll.cli.firmware import (
    BOARDS,
    FirmwareError,
    Image,
    broker_address,
    build,
    floor_now,
    need,
    plain,
)
from atoll.cli.options import UsageError, add_site, example, with_password
from atoll.cli.serial import say
from atoll.cli.uf2 import encode_uf2

# How a board is written: the tool and its package, what to plug in, and the commands. Of the words,
# {elf}, {bin}, {identity} are files, {address} and {start} where identity and image belong. What a
# tool does not verify by itself is read back: {bin_bytes} into {bin_read}, and so the identity.
# (`pyocd commander` has a `compare`, which says that bytes differ and ends with 0.)


class Way(NamedTuple):
    """A board's tool, how to get it, what it needs plugged in, its commands."""

    tool: str
    install: str
    plug: str
    commands: tuple[str, ...]


WAYS = {
    "microbit": Way(
        "pyocd",
        "pip install pyocd",
        "plug the micro:bit in by USB",
        (
            "pyocd load --target nrf51 --erase sector {elf}",
            "pyocd load --target nrf51 --erase sector --format bin --base-address {address}"
            " {identity}",
            "pyocd commander --target nrf51 --command 'savemem {start} {bin_bytes} {bin_read}'"
            " --command 'savemem {address} {identity_bytes} {identity_read}'",
            "cmp {bin_read} {bin}",
            "cmp {identity_read} {identity}",
            "pyocd reset --target nrf51",
        ),
    ),
    "netduinoplus2": Way(
        "dfu-util",
        "apt install dfu-util",
        "hold the board's button while you plug it in by USB (DFU mode)",
        (
            "dfu-util -d 0483:df11 -a 0 -s {start} -D {bin}",
            "dfu-util -d 0483:df11 -a 0 -s {address} -D {identity}",
            "dfu-util -d 0483:df11 -a 0 -s {start}:{bin_bytes} -U {bin_read}",
            "dfu-util -d 0483:df11 -a 0 -s {address}:{identity_bytes} -U {identity_read}",
            "cmp {bin_read} {bin}",
            "cmp {identity_read} {identity}",
            "dfu-util -d 0483:df11 -a 0 -s {address}:leave -D {identity}",  # and so it starts
        ),
    ),
    "pico": Way(
        "picotool",
        "hold BOOTSEL while you plug the Pico in by USB and mount RPI-RP2, or install picotool",
        "hold BOOTSEL while you plug the Pico in by USB",
        (
            "picotool load -v {uf2}",
            "picotool load -v {identity_uf2}",
            "picotool reboot",
        ),
    ),
    "lm3s6965evb": Way(
        "openocd",
        "apt install openocd",
        "plug the evaluation board in by USB",
        (
            "openocd -f board/ek-lm3s6965.cfg -c 'program {elf} verify'"
            " -c 'program {identity} {address} verify reset exit'",
        ),
    ),
}
# A Pico without picotool: its boot ROM is a volume, and takes one file with everything. It starts
# the image when it has all of it, so that a second file would come too late.
BY_COPY = Way(
    "cp", "", "hold BOOTSEL while you plug the Pico in by USB", ("cp {all_uf2} {volume}", "sync")
)
# An STM32F4 without its USB: the boot ROM speaks over a UART, too.
BY_UART = Way(
    "stm32flash",
    "apt install stm32flash",
    "pull BOOT0 high, press reset, and connect USART1 or USART3 to the port",
    (
        "stm32flash -v -w {bin} -S {start} {port}",
        "stm32flash -v -w {identity} -S {address} -g {start} {port}",
    ),
)
VOLUME, VOLUME_SAYS = "RPI-RP2", "INFO_UF2.TXT"
START = {"netduinoplus2": 0x0800_0000, "pico": 0x1000_0000}
BIRTH_S = 30.0
CARD = "rpi"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--board", required=True, choices=[*sorted(BOARDS), CARD], help="which board"
    )
    card = parser.add_argument_group(
        "a Raspberry Pi's card (--board rpi; nothing else counts then)"
    )
    card.add_argument("--device", metavar="DISK", help="the whole disk, such as /dev/sdb (lsblk)")
    card.add_argument("--image", metavar="FILE", help="what is written to it")
    card.add_argument(
        "--force", action="store_true", help="also a disk that is neither removable nor on USB"
    )
    parser.add_argument(
        "--id", metavar="ID", help="name of the device; a microcontroller needs one"
    )
    parser.add_argument("--zone", default="", help="what fails together (default: the id)")
    parser.add_argument(
        "--port", metavar="PORT", help="its serial port; without it another bridge serves the board"
    )
    parser.add_argument(
        "--link",
        choices=("ethernet", "serial"),
        default="serial",
        help="how it reaches the broker (serial)",
    )
    parser.add_argument(
        "--address", default="", metavar="A/N", help="of a board with Ethernet (default: by DHCP)"
    )
    parser.add_argument("--router", default="", metavar="A", help="with --address")
    parser.add_argument("--source", default="", metavar="NAME", help="the stream that it samples")
    parser.add_argument("--dataset", default="", help="dataset of that stream")
    parser.add_argument("--rate", type=float, default=0.0, metavar="HZ", help="samples a second")
    parser.add_argument("--unit", default="", help="unit of its samples")
    parser.add_argument("--scale", type=float, default=1.0, help="units a count (1)")
    parser.add_argument(
        "--token",
        default=os.environ.get("ATOLL_TOKEN", ""),
        help="its one-time token (atoll enroll ID; ATOLL_TOKEN), for a site with passwords",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
    parser.add_argument(
        "--wait", type=float, default=BIRTH_S, metavar="S", help="how long for its birth (30)"
    )
    add_site(parser)
    example(
        parser,
        "atoll flash --board microbit --id pump-3 --port /dev/ttyACM0",
        "atoll flash --board microbit --id pump-3 --source adc --dataset v --rate 500 --dry-run",
        "atoll flash --board lm3s6965evb --id pump-4 --link ethernet --broker mqtt://192.168.1.10",
        "atoll flash --board rpi --device /dev/sdb --image sd.img",
    )


def run(options: Any) -> int:
    """Build, write, verify, wait."""
    if options.board == CARD:
        from atoll.cli import flash_disk

        return flash_disk.run(options)
    if not options.id:
        raise UsageError("--id: how is the device called?")
    if options.device or options.image:
        raise UsageError(f"--device, --image: of --board {CARD} alone; {options.board} has neither")
    from atoll.cli.enrolled import secret_for
    from atoll.transport.url import parse_broker
    from atoll.wire.identity import Identity, encode_identity

    way = _way(options.board, options.port)
    if way is None:
        raise FirmwareError(
            f"{options.board} exists in emulation only: atoll emulate --board {options.board}"
        )
    names = (options.site, options.id, options.zone or options.id, options.dataset, options.source)
    who = Identity(*names, options.unit, options.rate, options.scale, floor=floor_now())
    who = who._replace(broker=_reached(options), address=options.address, router=options.router)
    encode_identity(who)  # or a reason why not, before anything is done
    image = build(options.board, "node", options.link)
    if not options.dry_run:
        need({way.tool: way.tool}, way.install)
        if options.token:
            broker = parse_broker(options.broker)
            who = who._replace(secret=secret_for(options.id, options.site, broker, options.token))
    with TemporaryDirectory(prefix="atoll-flash-") as folder:
        identity = Path(folder) / "identity.bin"
        identity.write_bytes(encode_identity(who))
        if options.board == "pico":
            _write_uf2(image, identity)
        commands = _commands(options, way, image, identity)
        if options.dry_run:
            print("\n".join(shlex.join(words) for words in commands))
            return 0
        for words in commands:
            try:
                _call(words, way)
            except FirmwareError as error:
                if not options.token:
                    raise
                again = f"the token is used up: atoll enroll {options.id} again"
                raise FirmwareError(f"{error}; {again}") from None
    return _await_birth(options, who.floor)


def _reached(options: Any) -> str:
    """The broker as the board finds it by Ethernet; empty where a bridge is its link."""
    from atoll.transport.url import parse_broker

    if options.link == "serial":
        return ""
    if not BOARDS[options.board].ethernet:
        raise UsageError(f"--link: {options.board} has no Ethernet; it goes by serial")
    if options.port:
        raise UsageError("--port: a board by Ethernet has no serial line to bridge")
    broker = plain(parse_broker(options.broker))
    address = broker_address(broker)
    if address.startswith("127."):
        raise UsageError(
            f"--broker: {address} is this machine alone; give the address that the board reaches"
        )
    return f"{address}:{broker.port}"


def _way(board: str, port: str | None) -> Way | None:
    """How a board is written here: a Pico by copying, an STM32 by its port, where nothing else is
    installed.
    """
    way = WAYS.get(board)
    if way is None or shutil.which(way.tool):
        return way
    if board == "pico" and _volume():
        return BY_COPY
    if board == "netduinoplus2" and port and shutil.which(BY_UART.tool):
        return BY_UART
    return way


def _volume(mounts: Path = Path("/proc/mounts")) -> str:
    """Where a Pico's boot ROM is mounted; empty: nowhere."""
    for line in mounts.read_text(errors="replace").splitlines():
        place = Path(line.split()[1].replace("\\040", " "))
        if place.name == VOLUME and (place / VOLUME_SAYS).is_file():
            return str(place)
    return ""


def _write_uf2(image: Image, identity: Path) -> None:
    """The identity as a UF2 file of its own, and one with the image too, beside it."""
    block = (image.identity, identity.read_bytes())
    whole = (START["pico"], image.elf.with_suffix(".bin").read_bytes())
    identity.with_suffix(".uf2").write_bytes(encode_uf2([block]))
    identity.with_name("all.uf2").write_bytes(encode_uf2([whole, block]))


def _commands(options: Any, way: Way, image: Image, identity: Path) -> list[list[str]]:
    """The commands, word by word."""
    whole = image.elf.with_suffix(".bin")
    values = {
        "elf": str(image.elf),
        "bin": str(whole),
        "bin_bytes": whole.stat().st_size,
        "bin_read": str(identity.with_name("image.read")),
        "identity": str(identity),
        "identity_bytes": identity.stat().st_size,
        "identity_read": str(identity.with_name("identity.read")),
        "address": f"{image.identity:#x}",
        "start": f"{START.get(options.board, 0):#x}",
        "port": options.port or "",
        "uf2": str(image.elf.with_suffix(".uf2")),
        "identity_uf2": str(identity.with_suffix(".uf2")),
        "all_uf2": str(identity.with_name("all.uf2")),
        "volume": _volume() if way is BY_COPY else "",
    }
    return [[word.format(**values) for word in shlex.split(text)] for text in way.commands]


def _call(words: list[str], way: Way) -> None:
    print(shlex.join(words), file=sys.stderr, flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")  # fmt: skip
    if done.returncode:
        said = " / ".join(done.stdout.strip().splitlines()[-3:]) or "it said nothing"
        raise FirmwareError(f"{words[0]} ended with {done.returncode}: {said}; {way.plug}")


def _await_birth(options: Any, floor: int) -> int:
    """Be its bridge, if it has no other, until it is born at the broker."""
    from atoll.gateway.client_mail import Mail
    from atoll.transport.loop import Loop
    from atoll.transport.serial_shell import SerialShell
    from atoll.transport.url import parse_broker
    from atoll.wire.topics import Topics

    topics = Topics(options.site)
    url = with_password(options.broker)
    loop = Loop()
    born: list[str] = []

    def arrived(topic: str, payload: bytes, _retained: bool) -> None:
        boot, words = _told(topic, payload)
        if boot > floor:  # a retained message is of an earlier life
            loop.post(born.append, f"boot {boot}{words}")

    mail = Mail(url, client_id=f"flash-{os.urandom(4).hex()}")
    broker = parse_broker(options.broker)
    shell = SerialShell(loop, options.port, broker, say) if options.port else None
    try:
        mail.open(options.timeout)
        # In a site with passwords a client may read a device's status, and not its birth.
        for leaf in ("birth", "status"):
            mail.subscribe(topics.up(options.id, leaf), arrived)
        if shell:
            shell.start()
        if not loop.run_until(lambda: bool(born), options.wait):
            raise FirmwareError(
                f"{options.id} is written, and was not born within {options.wait:g} s: is a bridge"
                " at its serial port (atoll serial --port ...)?"
            )
    finally:
        if shell:
            shell.close()
        mail.close()
        loop.close()
    print(f"{options.id}: born, {born[0]}")
    return 0


def _told(topic: str, payload: bytes) -> tuple[int, str]:
    """The boot that a birth or a status tells of, and what else a birth tells; 0: of none."""
    from atoll.wire.codec import decode
    from atoll.wire.errors import WireError
    from atoll.wire.messages import Birth

    try:
        if topic.endswith("birth"):
            birth = decode(payload, allowed=(Birth,))
            return birth.boot, f", {birth.memory_bytes:,} bytes of RAM"
        status = json.loads(payload)
        return (0 if status["state"] == "lost" else int(status["boot"])), ""
    except (WireError, ValueError, TypeError, KeyError):
        return 0, ""
