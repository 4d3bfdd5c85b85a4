"""What this installation of the kernels gives on this board: receipts and speed, taken once per
build and kept.

    DIR/installed      text: "build ID", "software NAME", "speed SAMPLES_PER_S", then "KERNEL HEX"
    lines

They are taken in a process of their own (`python -m atoll.runtime.installed`): the golden vectors
and what they pull in are no use to the device afterwards.
"""

import os
import sys
from typing import NamedTuple

from atoll.runtime.errors import StoreError
from atoll.wire.messages import KernelReceipt

FORMAT = 2
FILE_BYTES_MAX = 65_536
# Long enough that a timer's resolution does not matter, short on the slowest board.
SPEED_S = 0.05
SPEED_SAMPLES = 16_384


class Installed(NamedTuple):
    """The kernels as installed here; `speed`: samples of i16 a second that a core takes through
    `moments`, in its best round, as others' work is not the board's.
    """

    software: str
    speed: int
    receipts: list[KernelReceipt]


def build_id() -> str:
    """Which build this is, without loading it: the compiled kernels' file and the interpreter."""
    import atoll.kernels as kernels

    folder = os.path.dirname(kernels.__file__ or "")
    names = sorted(name for name in os.listdir(folder) if name.startswith("_native"))
    stats = [os.stat(os.path.join(folder, name)) for name in names if name.endswith(".so")]
    parts = [str(FORMAT), folder, f"{sys.hexversion:x}"]
    return "|".join(parts + [f"{one.st_size}:{one.st_mtime_ns}" for one in stats])


def load_installed(root: str) -> Installed:
    """What is kept for this build; taken anew if there is none. Raises `StoreError`."""
    path = f"{root}/installed"
    wanted = build_id()
    found = _read(path, wanted)
    if found is None:
        _take(path)
        found = _read(path, wanted)
    if found is None:
        raise StoreError("the kernels do not pass their own golden vectors: reinstall atoll")
    return found


def _read(path: str, wanted: str) -> Installed | None:
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(FILE_BYTES_MAX).splitlines()
        pairs = [line.split(" ", 1) for line in lines]
        if pairs[:1] != [["build", wanted]] or [pair[0] for pair in pairs[1:3]] != [
            "software",
            "speed",
        ]:
            return None
        receipts = [KernelReceipt(name, bytes.fromhex(digest)) for name, digest in pairs[3:]]
        return Installed(pairs[1][1], int(pairs[2][1]), receipts)
    except (OSError, ValueError):
        return None


def _take(path: str) -> None:
    # posix_spawn: the subprocess module would stay in memory for this one call.
    arguments = [sys.executable, "-m", "atoll.runtime.installed", path]
    pid = os.posix_spawn(sys.executable, arguments, os.environ)
    os.waitpid(pid, 0)


def measure(path: str) -> None:
    """Take receipts and speed, and keep them at `path`."""
    from importlib.metadata import PackageNotFoundError, version
    from time import perf_counter

    from atoll.kernels import Plan, receipts

    try:
        software = f"atoll {version('atoll')}"
    except PackageNotFoundError:
        software = "atoll"
    plan, samples = Plan("moments"), bytes(2 * SPEED_SAMPLES)
    least, began = float("inf"), perf_counter()
    ended = began
    while ended - began < SPEED_S:
        before = ended
        plan.partial(samples, dtype="i16")
        ended = perf_counter()
        least = min(least, ended - before)
    lines = [
        f"build {build_id()}",
        f"software {software}",
        f"speed {SPEED_SAMPLES / max(least, 1e-9):.0f}",
    ]
    lines += [f"{name} {digest.hex()}" for name, digest in sorted(receipts().items())]
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    measure(sys.argv[1])
