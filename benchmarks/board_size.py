"""What the node takes of each board: flash and RAM as linked, stack as used in QEMU.

The stack is read from the emulated board's memory once it speaks: by then it has run the plans of
all its receipts. With standing jobs under a broker it takes some hundred bytes more; what is left
then, tests/firmware/test_board_plans.py asserts.
"""

import json
import shutil
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, NamedTuple

from atoll.cli.firmware import BOARDS, build, emulator, symbol
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


def stack_of(board: str, elf: Path, identity: int, folder: Path) -> tuple[int, int]:
    """Stack used until the board has spoken, and stack there is."""
    block, line, control = folder / "identity", folder / "line", folder / "control"
    block.write_bytes(encode_identity(Identity("size", board, board)))
    command = [*emulator(board), "-kernel", str(elf), "-display", "none"]
    command += ["-kept", "none"] if board == "pico" else []  # it takes its receipts
    command += ["-monitor", "none", "-qmp", f"unix:{control},server=on,wait=off", "-nic", "none"]
    command += ["-chardev", f"socket,id=line,path={line}", "-serial", "chardev:line"]
    command += ["-device", f"loader,file={block},addr={identity:#x},force-raw=on"]
    bottom, top = symbol(elf, "atoll_stack_bottom"), symbol(elf, "atoll_stack_top")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(line))
        server.listen()
        server.settimeout(SPEAKS_S)
        process = subprocess.Popen(command)
        try:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(SPEAKS_S)
                connection.recv(1)
                _save(control, bottom, top - bottom, folder / "stack")
        finally:
            process.terminate()
            process.wait(10)
    content = (folder / "stack").read_bytes()
    return len(content.lstrip(bytes([FILL]))), len(content)


def _save(control: Path, address: int, size: int, path: Path) -> None:
    """Have QEMU write memory of the board to a file."""
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(SPEAKS_S)
        port.connect(str(control))
        stream = port.makefile("rw")
        stream.readline()
        words: dict[str, Any] = {"val": address, "size": size, "filename": str(path)}
        _order(stream, "qmp_capabilities", {})
        # Through the core first; where its MPU has the page of the guard, past it.
        if not _order(stream, "memsave", words) and not _order(stream, "pmemsave", words):
            raise RuntimeError("QEMU does not show the board's memory")


def _order(stream: IO[str], order: str, arguments: dict[str, Any]) -> bool:
    """A command of QMP; whether it was carried out."""
    print(json.dumps({"execute": order, "arguments": arguments}), file=stream, flush=True)
    while True:
        answer = json.loads(stream.readline())
        if "return" in answer or "error" in answer:
            return "return" in answer


def boards() -> dict[str, dict[str, Any]]:
    """A row a board; none without the emulator."""
    found = {}
    for board in BOARDS if shutil.which("qemu-system-arm") else ():
        image = build(board, "node")
        with TemporaryDirectory(prefix="atoll-size-") as folder:
            stack = stack_of(board, image.elf, image.identity, Path(folder))
        found[board] = Sizes(*linked(image.elf), *stack)._asdict()
        if board == "lm3s6965evb":  # the small one with Ethernet; the stack is that of the other
            image = build(board, "node", "ethernet")
            found[f"{board} by ethernet"] = Sizes(*linked(image.elf), *stack)._asdict()
    return found
