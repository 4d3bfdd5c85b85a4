"""`atoll enroll`: a one-time token for a device, or a password for a client or another gateway.

Works on the files of the gateway's own broker, on the gateway's machine, whether the gateway runs
or not. From the first enrolment on, nobody comes to that broker without a password.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from atoll.cli.options import SITE_DEFAULT, add_json
from atoll.cli.report import print_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("id", help="name of the device, client or gateway")
    parser.add_argument(
        "--client", action="store_true", help="a client (a person, a dashboard) and no device"
    )
    parser.add_argument(
        "--gateway", action="store_true", help="a gateway on an external broker, such as a standby"
    )
    parser.add_argument("--forget", action="store_true", help="take its rights away")
    parser.add_argument("--state", metavar="DIR", help="the gateway's --state")
    parser.add_argument(
        "--site",
        default=os.environ.get("ATOLL_SITE", SITE_DEFAULT),
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )
    add_json(parser)
    parser.epilog = (
        "example:\n  atoll enroll pi-07 --state /var/lib/atoll/gateway\n"
        "  atoll enroll alice --client"
    )


def run(options: Any) -> int:
    """Write the access files and print the secret once."""
    from atoll.gateway.broker import reload_broker
    from atoll.gateway.config import default_state
    from atoll.gateway.enrolment import Enrolment

    state = Path(options.state) if options.state else default_state(options.site)
    enrolment = Enrolment(state / "access", options.site)
    was_open = not enrolment.exists
    if options.forget:
        if not enrolment.forget(options.id):
            print(f"atoll: {options.id} is not enrolled", file=sys.stderr)
            return 1
        answer = {"id": options.id, "forgotten": True}
    elif options.gateway:
        answer = {"id": options.id, "password": enrolment.enroll_gateway(options.id)}
    elif options.client:
        secret = enrolment.enroll_client(options.id)
        answer = {"id": options.id, "password": secret}
    else:
        secret = enrolment.enroll_device(options.id, int(time.time() * 1000))
        answer = {"id": options.id, "token": secret}
    enrolment.gateway_secret()
    reloaded = reload_broker(state / "broker")
    if options.json:
        print_json(answer)
        return 0
    _print(options, answer)
    if was_open and reloaded:
        print("the gateway was open until now: start it again, so that it asks for passwords")
    return 0


def _print(options: Any, answer: dict[str, Any]) -> None:
    if "token" in answer:
        print(f"token of {options.id}, good once and for 24 hours:\n  {answer['token']}")
        print(f"on the device:\n  atoll device --id {options.id} --broker ... --token TOKEN")
    elif "password" in answer:
        print(f"password of {options.id}, shown once:\n  {answer['password']}")
        if options.gateway:
            print(f"then:\n  atoll gateway --broker mqtt://{options.id}:PASSWORD@HOST ...")
            return
        print(f"then:\n  ATOLL_BROKER=mqtt://{options.id}@HOST ATOLL_PASSWORD=... atoll status")
    else:
        print(f"{options.id}: forgotten")
