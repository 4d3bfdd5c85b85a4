"""The boot partition of a card with Raspberry Pi OS: whether it is one, and what goes onto it.

What makes the first start run our script depends on the release. Raspberry Pi OS 12 has it by a
word of the kernel's command line (`systemd.run`), 13 by cloud-init, whose `user-data` lies on the
partition already.
"""

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from atoll.cli.firstboot import FOLDER

MOUNTED = "/boot/firmware"  # where the board sees the partition, from Raspberry Pi OS 12 on
SCRIPT = f"{MOUNTED}/{FOLDER}/firstboot.sh"
RUN = (
    f"systemd.run={SCRIPT}",
    "systemd.run_success_action=reboot",
    "systemd.run_failure_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
WAYS = ("cmdline", "cloud-init")
# The first release of 12, whose Python is new enough; the day stands in issue.txt.
OLDEST = "2023-10"
TEXT_BYTES_MAX = 262_144


class CardError(Exception):
    """A folder that is no boot partition, or one that cannot be told anything."""

    exit_code = 1


class Plan(NamedTuple):
    """What is to be done: texts of the card's folder, packages, and one file that is changed."""

    way: str
    texts: dict[str, str]
    packages: tuple[Path, ...]
    changed: str
    text: str


def check_boot(folder: Path) -> None:
    """CardError that says what `folder` is in place of a boot partition, and what is right."""
    right = "the card's first partition, often /media/USER/bootfs"
    if not folder.is_dir():
        raise CardError(f"{folder}: there is no such folder; wanted is {right}")
    if (folder / "etc/os-release").exists():
        within = folder / "boot/firmware"
        here = f"; {within} is it" if (within / "cmdline.txt").is_file() else ""
        raise CardError(f"{folder}: a whole system and no boot partition: wanted is {right}{here}")
    missing = [name for name in ("cmdline.txt", "config.txt") if not (folder / name).is_file()]
    if missing or not [*folder.glob("kernel*.img"), *folder.glob("vmlinuz*")]:
        lacks = " and ".join(missing) or "a kernel"
        raise CardError(
            f"{folder}: no boot partition of a Raspberry Pi, it lacks {lacks}: wanted is {right}"
        )
    if "root=" not in read(folder / "cmdline.txt"):
        raise CardError(f"{folder}/cmdline.txt: names no root=: this card would not start")
    issue = folder / "issue.txt"
    day = re.search(r"reference (\d{4}-\d\d)", read(issue)) if issue.is_file() else None
    if day and day[1] < OLDEST:
        raise CardError(
            f"{folder}: Raspberry Pi OS of {day[1]}: its Python is too old; from {OLDEST} on it"
            " works"
        )


def read(path: Path) -> str:
    """A text of the card, which is bounded before it is believed."""
    if path.stat().st_size > TEXT_BYTES_MAX:
        raise CardError(f"{path}: more than {TEXT_BYTES_MAX:,} bytes: no file of a boot partition")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise CardError(f"{path}: is no text") from None


def way_of(folder: Path) -> str:
    """How this release is told: cloud-init where the card has its file."""
    return "cloud-init" if (folder / "user-data").is_file() else "cmdline"


def changed_file(folder: Path, way: str) -> tuple[str, str]:
    """The file that makes the first start run our script, and its new text."""
    if way == "cmdline":
        return "cmdline.txt", command_line(read(folder / "cmdline.txt"))
    path = folder / "user-data"
    return "user-data", user_data(read(path) if path.is_file() else "#cloud-config\n")


def command_line(text: str) -> str:
    """The kernel's command line with our words at its end, once; other words stay."""
    words = text.split()
    return " ".join([*words, *(word for word in RUN if word not in words)]) + "\n"


def user_data(text: str) -> str:
    """A cloud-config whose `runcmd` runs our script before what it ran already.

    Only as much YAML is understood as is changed: `runcmd:` on a line of its own and items below
    it. Raises `CardError` for anything else that says `runcmd`.
    """
    ours = f'[ "/bin/sh", "{SCRIPT}", "now" ]'
    if not text.startswith("#cloud-config"):
        raise CardError(
            "user-data: its first line is not #cloud-config; --by cmdline leaves it alone"
        )
    if SCRIPT in text:
        return text
    lines = text.rstrip("\n").split("\n")
    places = [number for number, line in enumerate(lines) if line.startswith("runcmd")]
    if not places:
        return "\n".join([*lines, "runcmd:", f"- {ours}"]) + "\n"
    below = [line for line in lines[places[0] + 1 :] if not re.match(r"\s*(#|$)", line)]
    item = re.match(r"( *)- ", below[0]) if below else None
    if len(places) > 1 or not re.fullmatch(r"runcmd:\s*(#.*)?", lines[places[0]]) or not item:
        raise CardError(
            "user-data: its runcmd is no plain list, one item a line; --by cmdline leaves it alone"
        )
    lines.insert(places[0] + 1, f"{item[1]}- {ours}")
    return "\n".join(lines) + "\n"


def packages_in(folder: Path) -> tuple[Path, ...]:
    """The packages for a device that `folder` has, of every architecture; CardError if not all.

    With them come those that they depend on, as far as these lie there, too.
    """
    found = sorted(folder.glob("*.deb"))
    ours = {path.name.split("_")[0] for path in found}
    missing = [name for name in ("atoll", "atoll-device") if name not in ours]
    if missing:
        raise CardError(
            f"{folder}: has no package {' and '.join(missing)}: make debs builds them, --debs DIR"
            " says where they are"
        )
    wanted = [path for path in found if not path.name.startswith("atoll-gateway_")]
    for name in ("atoll", "atoll-device"):
        versions = {path.name.split("_")[1] for path in wanted if path.name.startswith(f"{name}_")}
        if len(versions) > 1:
            raise CardError(f"{folder}: {name} in several versions: {', '.join(sorted(versions))}")
    return tuple(path for path in wanted if not path.name.endswith("_amd64.deb"))


def write(folder: Path, plan: Plan) -> None:
    """Put everything onto the card; what makes the card run it comes last.

    An error or Ctrl-C before that leaves a card that starts as it did.
    """
    room = shutil.disk_usage(folder).free
    need = sum(path.stat().st_size for path in plan.packages) + 65_536
    if room < need:
        raise CardError(f"{folder}: {need >> 20} MiB are needed, {room >> 20} MiB are free")
    own = folder / FOLDER
    shutil.rmtree(own, ignore_errors=True)
    try:
        (own / "debs").mkdir(parents=True)
        for name, text in plan.texts.items():
            put(own / name, text.encode())
        for package in plan.packages:
            put(own / "debs" / package.name, package.read_bytes())
        replace(folder / plan.changed, plan.text)
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise


def put(path: Path, data: bytes) -> None:
    """A file for its owner alone (as far as the file system knows owners), on the medium."""
    mode = 0o700 if path.suffix == ".sh" else 0o600
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def replace(path: Path, text: str) -> None:
    """Change a file of the card in one step."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        put(fresh, text.encode())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    # A file system without folders that can be synced has nothing to wait for.
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
