"""`atoll provision`: a card with Raspberry Pi OS installs Atoll at its first start, and joins."""

import argparse
import os
import re
from pathlib import Path
from typing import Any

from atoll.cli.card import WAYS, Plan, changed_file, check_boot, packages_in, way_of, write
from atoll.cli.firstboot import FOLDER, Told, files
from atoll.cli.options import SITE_DEFAULT, UsageError, add_json, example

KEY_BYTES_MAX = 16_384
# IEEE 802.11: a name's bytes; a passphrase's characters.
SSID_BYTES_MAX, PASSPHRASE_MIN, PASSPHRASE_MAX = 32, 8, 63


def add_told(parser: argparse.ArgumentParser) -> None:
    """Declare what a card may be told; `atoll image` asks for the same."""
    parser.add_argument("--id", default="", metavar="NAME", help="name of the device (host name)")
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("ATOLL_BROKER", ""),
        help="mqtt://host[:port] of the site, as the board reaches it (ATOLL_BROKER)",
    )
    parser.add_argument(
        "--site",
        default=os.environ.get("ATOLL_SITE", SITE_DEFAULT),
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )
    parser.add_argument(
        "--token",
        "--enroll",
        dest="token",
        default=os.environ.get("ATOLL_TOKEN", ""),
        metavar="TOKEN",
        help="its one-time token (atoll enroll NAME; ATOLL_TOKEN), for a site with passwords",
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME=KIND:WHAT",
        help="what it samples, as of atoll device; may be repeated",
    )
    parser.add_argument(
        "--wifi",
        metavar="SSID:PASS",
        help="a Wi-Fi network; only the key made of the passphrase is written",
    )
    parser.add_argument(
        "--country", metavar="CC", help="whose rules of radio hold, such as DE (of the locale)"
    )
    parser.add_argument(
        "--ssh-key", metavar="FILE", help="a public key that may log in as the first user"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--boot",
        required=True,
        metavar="DIR",
        help="the card's boot partition, where it is mounted",
    )
    add_told(parser)
    parser.add_argument(
        "--debs", default="dist", metavar="DIR", help="folder with the packages (dist: make debs)"
    )
    parser.add_argument(
        "--by",
        choices=("auto", *WAYS),
        default="auto",
        help="what runs the script: the kernel's command line (Raspberry Pi OS 12; any card, also"
        " one that was in use), or cloud-init (13, before its first start) (auto)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")
    add_json(parser)
    example(
        parser,
        "atoll provision --boot /media/$USER/bootfs --id pi-07 --broker mqtt://192.168.1.10:1884"
        " --enroll TOKEN",
        "atoll provision --boot /media/$USER/bootfs --broker mqtt://192.168.1.10 --wifi home:PASS"
        " --country DE --ssh-key ~/.ssh/id_ed25519.pub --dry-run",
    )


def run(options: Any) -> int:
    """Check the folder, and write."""
    told = told_of(options)
    boot = Path(options.boot)
    check_boot(boot)
    way = way_of(boot) if options.by == "auto" else options.by
    changed, text = changed_file(boot, way)
    plan = Plan(way, files(told), packages_in(Path(options.debs)), changed, text)
    if not options.dry_run:
        write(boot, plan)
    _report(options, boot, plan)
    return 0


def _report(options: Any, boot: Path, plan: Plan) -> None:
    """Names and sizes only: what is in the files may be secret."""
    sizes = {f"{FOLDER}/{name}": len(text.encode()) for name, text in plan.texts.items()}
    sizes |= {f"{FOLDER}/debs/{path.name}": path.stat().st_size for path in plan.packages}
    sizes[plan.changed] = len(plan.text.encode())
    if options.json:
        from atoll.cli.report import print_json

        answer = {"boot": str(boot), "by": plan.way, "written": not options.dry_run}
        print_json(answer | {"files": [{"name": n, "bytes": s} for n, s in sizes.items()]})
        return
    verb = "would be written" if options.dry_run else "written"
    for name, size in sizes.items():
        print(f"{verb}: {boot / name} ({size:,} bytes)")
    if plan.way == "cloud-init" and not options.dry_run:
        print(
            "cloud-init reads this at the card's first start alone: for one that was in use, --by"
            " cmdline"
        )
    if not options.dry_run:
        print("unmount the card, put it into the board and switch on: it joins within minutes")


def told_of(options: Any) -> Told:
    """The options, checked. Raises `UsageError`."""
    from atoll.wire.errors import WireError
    from atoll.wire.topics import check_name

    try:
        check_name(options.site, "site")
        if options.id:
            check_name(options.id, "device")
    except WireError as error:
        raise UsageError(str(error)) from None
    if options.token and not options.id:
        raise UsageError("--enroll: a token is one device's: name it with --id")
    if not all(character.isascii() and character.isprintable() for character in options.token):
        raise UsageError("--enroll: a token is what atoll enroll printed, in one line")
    for source in options.source:
        name, equals, what = source.partition("=")
        if not (name and equals and ":" in what and what.isprintable()):
            raise UsageError(f"--source {source!r}: it looks like NAME=KIND:WHAT")
    return Told(
        broker=_broker(options.broker),
        site=options.site,
        id=options.id,
        token=options.token,
        sources=tuple(options.source),
        wifi=_wifi(options.wifi) if options.wifi is not None else None,
        country=_country(options.country),
        keys=_keys(Path(options.ssh_key)) if options.ssh_key else "",
    )


def _broker(text: str) -> str:
    from atoll.transport.errors import AddressError
    from atoll.transport.url import parse_brokers

    if not text:
        raise UsageError("--broker: where is the site, as the board reaches it? mqtt://HOST[:PORT]")
    try:
        brokers = parse_brokers(text)
    except AddressError as error:
        raise UsageError(f"--broker: {error}") from None
    for broker in brokers:
        if broker.host in ("localhost", "::1") or broker.host.startswith("127."):
            raise UsageError(
                f"--broker: {broker.host} is the board itself there; give the gateway's address"
            )
    return text


def _wifi(text: str) -> tuple[str, str]:
    name, colon, passphrase = text.partition(":")
    if not colon or not 1 <= len(name.encode()) <= SSID_BYTES_MAX:
        raise UsageError(f"--wifi: SSID:PASS, the SSID of 1 to {SSID_BYTES_MAX} bytes")
    if passphrase and not (
        PASSPHRASE_MIN <= len(passphrase) <= PASSPHRASE_MAX
        and passphrase.isascii()
        and passphrase.isprintable()
    ):
        raise UsageError(
            f"--wifi: a passphrase has {PASSPHRASE_MIN} to {PASSPHRASE_MAX} characters of ASCII;"
            " without one (SSID:) the network is open"
        )
    return name, passphrase


def _country(text: str | None) -> str:
    """Two letters: what was said, else of the locale, else none."""
    if text is None:
        found = re.match(r"[a-z]{2}_([A-Z]{2})\b", os.environ.get("LANG", ""))
        return found[1] if found else ""
    if not re.fullmatch("[A-Z]{2}", text):
        raise UsageError(f"--country {text!r}: two capital letters, such as DE")
    return text


def _keys(path: Path) -> str:
    if path.stat().st_size > KEY_BYTES_MAX:
        raise UsageError(f"--ssh-key {path}: no public key, it is too long")
    text = path.read_text(errors="replace").strip()
    if "PRIVATE KEY" in text:
        raise UsageError(f"--ssh-key {path}: that is the private key; {path}.pub is the public one")
    lines = text.splitlines()
    kinds = r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?"
    if not lines or not all(re.fullmatch(kinds, line) for line in lines):
        raise UsageError(
            f"--ssh-key {path}: no public key of SSH (a line such as ssh-ed25519 AAAA...)"
        )
    return "\n".join(lines) + "\n"
