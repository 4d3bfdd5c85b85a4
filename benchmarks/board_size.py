"""What the node takes of each board: flash and RAM as linked, and the most stack that the emulated
board was seen to use (tests/firmware/board_stack.py): by the receipts, by standing jobs of every
kernel under a broker, and by a reset.
"""

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from atoll.cli.firmware import BOARDS, build

HARNESS = Path(__file__).resolve().parents[1] / "tests" / "firmware"
LOG = "bytes"  # of boards/flash_ram.c


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


def boards() -> dict[str, dict[str, Any]]:
    """A row a board, and one more for the small one by Ethernet; none without the emulator."""
    sys.path.insert(0, str(HARNESS))
    worst_stack = import_module("board_stack").worst_stack
    found = {}
    wanted = [(board, board, "serial") for board in BOARDS if shutil.which("qemu-system-arm")]
    wanted += [(f"{board} by ethernet", board, "ethernet") for _, board, _ in wanted
               if board == "lm3s6965evb"]  # fmt: skip
    for name, board, link in wanted:
        image = build(board, "node", link)
        used, there, _ = worst_stack(board, link)
        found[name] = Sizes(*linked(image.elf), used, there)._asdict()
    return found
