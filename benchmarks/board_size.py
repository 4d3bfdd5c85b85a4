"""What the node takes of each board: flash and RAM as linked, stack as used in QEMU.

The stack is read from the emulated board's memory once it speaks: by then it has run the plans of
all its receipts. With standing jobs under a broker it takes some hundred bytes more; what is left
then, tests/firmware/test_board_plans.py asserts.
"""

import shutil
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from atoll.cli.firmware import BOARDS, Image, build, emulator, symbol
from atoll.cli.qmp import Qmp
from atoll.wire.identity import Identity, encode_identity

SPEAKS_S = 60.0  # an emulated board takes one or two, on a machine that has time
LOG = "bytes"  # of boards/flash_ram.c
FILL = 0x5A  # what the start-up code writes over the stack


class Sizes(NamedTuple):
    """Bytes. ram: all that is in use, the stack among it, and a log that a board has on flash and
    its emulation in RAM; stack: of it, used at most.
    """

    flash: int
    ram: int
    ram_without_log: int
    stack: int
    stack_there: int


def linked(elf: Path) -> tuple[int, int, int]:
    """Flash and RAM of an image, stack and log in RAM included; and without that log."""
    command = ["arm-none-eabi-size", str(elf)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    text, data, bss = map(int, listed.splitlines()[1].split()[:3])
    listed = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(elf)], capture_output=True, text=True, check=True
    ).stdout
    sizes = {
        words[3]: int(words[1], 16) for words in map(str.split, listed.splitlines()) if words[3:]
    }
    return text + data, data + bss, data + bss - sizes.get(LOG, 0)


def stack_of(board: str, image: Image, link: str, folder: Path) -> tuple[int, int]:
    """Stack used until the board has spoken, and stack there is. By Ethernet it has spoken once it
    has an address and was refused by a broker that is not there.
    """
    block, line, control = folder / "identity", folder / "line", folder / "control"
    who, until = Identity("size", board, board), b""
    if link == "ethernet":
        who, until = who._replace(broker="10.0.2.2:1"), b"refused"
    block.write_bytes(encode_identity(who))
    command = [*emulator(board), "-kernel", str(image.elf), "-display", "none"]
    command += ["-kept", "none"] if board == "pico" else []  # it takes its receipts
    command += ["-monitor", "none", "-qmp", f"unix:{control},server=on,wait=off"]
    command += ["-nic", "user" if link == "ethernet" else "none"]
    command += ["-chardev", f"socket,id=line,path={line}", "-serial", "chardev:line"]
    command += ["-device", f"loader,file={block},addr={image.identity:#x},force-raw=on"]
    bottom, top = (symbol(image.elf, f"atoll_stack_{end}") for end in ("bottom", "top"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(line))
        server.listen()
        server.settimeout(SPEAKS_S)
        process = subprocess.Popen(command)
        try:
            connection, _ = server.accept()
            with connection, Qmp(control) as qemu:
                connection.settimeout(SPEAKS_S)
                said = connection.recv(1)
                while until not in said:
                    said += connection.recv(4096)
                content = qemu.memory(bottom, top - bottom, folder / "stack")
        finally:
            process.terminate()
            process.wait(10)
    return len(content.lstrip(bytes([FILL]))), len(content)


def boards() -> dict[str, dict[str, Any]]:
    """A row a board, and one more for the small one by Ethernet; none without the emulator."""
    found = {}
    wanted = [(board, board, "serial") for board in BOARDS if shutil.which("qemu-system-arm")]
    wanted += [(f"{board} by ethernet", board, "ethernet") for _, board, _ in wanted
               if board == "lm3s6965evb"]  # fmt: skip
    for name, board, link in wanted:
        image = build(board, "node", link)
        with TemporaryDirectory(prefix="atoll-size-") as folder:
            stack = stack_of(board, image, link, Path(folder))
        found[name] = Sizes(*linked(image.elf), *stack)._asdict()
    return found
