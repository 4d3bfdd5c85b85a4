"""`atoll doctor`: what is missing on this machine, what it is for, and how to get it."""

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from atoll.cli.options import add_json, add_site, example, with_password
from atoll.cli.report import print_json

OK, MISSING, OPTIONAL = "ok", "missing", "optional"
# The broker answers on the same machine or network within this, or a person would call it down.
_BROKER_TIMEOUT_S = 3.0


class Finding(NamedTuple):
    """One thing that was looked at. `state` is ok, missing (needed) or optional."""

    what: str
    state: str
    detail: str
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_json(parser)
    add_site(parser)
    example(parser, "atoll doctor", "atoll doctor --broker mqtt://192.168.1.10")


def run(options: Any) -> int:
    """Look at everything; exit code 1 if something that is needed is missing."""
    findings = [check() for check in CHECKS]
    findings.append(_broker_answers(options))
    missing = [finding for finding in findings if finding.state == MISSING]
    if options.json:
        print_json({"ok": not missing, "findings": [finding._asdict() for finding in findings]})
    else:
        for finding in findings:
            print(f"{finding.state:<8}  {finding.what:<14} {finding.detail}")
            if finding.state != OK and finding.remedy:
                print(f"{'':<25}{finding.remedy}")
        print("\nnothing is missing" if not missing else f"\n{len(missing)} missing")
    return 1 if missing else 0


def _python() -> Finding:
    # What is older could not have read this file's syntax.
    return Finding("python", OK, ".".join(map(str, sys.version_info[:3])))


def _compiled() -> Finding:
    for module in ("atoll.kernels._native", "atoll.wire._native"):
        try:
            import_module(module)
        except ImportError as error:
            return Finding("kernels", MISSING, str(error), "make build (or: pip install .)")
    return Finding("kernels", OK, "compiled for this machine")


def _package(name: str, why: str, *, needed: bool, remedy: str) -> Callable[[], Finding]:
    def check() -> Finding:
        try:
            return Finding(name, OK, version(name))
        except PackageNotFoundError:
            return Finding(name, MISSING if needed else OPTIONAL, why, remedy)

    return check


def _broker() -> Finding:
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path:
        return Finding("broker", OK, path)
    try:
        return Finding("broker", OK, f"iotcore {version('iotcore')}")
    except PackageNotFoundError:
        return Finding(
            "broker",
            MISSING,
            "the gateway brings its own broker when there is one to bring",
            "apt install mosquitto, or pip install 'atoll[broker]'",
        )


def _clock() -> Finding:
    if Path("/run/systemd/timesync/synchronized").exists():
        return Finding("clock", OK, "synchronised")
    return Finding(
        "clock",
        OPTIONAL,
        "not known to be synchronised: blocks say so",
        "apt install systemd-timesyncd, or chrony",
    )


def _recordings() -> Finding:
    folder = os.environ.get("ATOLL_RECORDINGS")
    if folder and (Path(folder) / "index.json").exists():
        return Finding("recordings", OK, folder)
    return Finding(
        "recordings",
        OPTIONAL,
        "atoll demo uses this machine's own counters",
        "ATOLL_RECORDINGS=DIR with an index.json",
    )


def _room() -> Finding:
    free = shutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free
    state = OK if free > 200_000_000 else MISSING
    return Finding(
        "disk",
        state,
        f"{free / 1e9:.1f} GB free for temporary files",
        "the demonstration needs 0.2 GB",
    )


CHECKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _compiled,
    _package(
        "paho-mqtt",
        "MQTT",
        needed=True,
        remedy="apt install python3-paho-mqtt, or pip install paho-mqtt",
    ),
    _package(
        "cbor2", "messages", needed=True, remedy="apt install python3-cbor2, or pip install cbor2"
    ),
    _broker,
    _package(
        "numpy", "arrays in Python; no device needs it", needed=False, remedy="pip install numpy"
    ),
    _clock,
    _recordings,
    _room,
)


def _broker_answers(options: Any) -> Finding:
    """Whether the site that the options name is there; nothing is wrong if it is not."""
    from atoll.gateway.client import connect
    from atoll.gateway.client_errors import FleetError

    where = f"{options.site} at {_without_password(options.broker)}"
    try:
        with connect(
            with_password(options.broker), site=options.site, timeout_s=_BROKER_TIMEOUT_S
        ) as fleet:
            devices = fleet.devices()
    except (FleetError, OSError, ValueError) as error:
        return Finding(
            "site",
            OPTIONAL,
            str(error),
            "atoll gateway starts one; --broker and --site choose another",
        )
    return Finding("site", OK, f"{where}: {len(devices)} devices")


def _without_password(url: str) -> str:
    head, at, host = url.rpartition("@")
    return f"{head.split('//')[0]}//{host}" if at else url
