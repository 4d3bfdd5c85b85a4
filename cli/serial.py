"""`atoll serial`: microcontrollers on serial lines join the site, each with a connection of its
own."""

import argparse
import os
import signal
from typing import Any

from atoll.cli.options import BROKER_DEFAULT, UsageError, example

LINES_MAX = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--port",
        action="append",
        required=True,
        metavar="PORT",
        help="a serial port such as /dev/ttyACM0, unix:PATH or tcp:HOST:PORT; may be repeated",
    )
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("ATOLL_BROKER", BROKER_DEFAULT),
        help=f"mqtt://host[:port] (ATOLL_BROKER; {BROKER_DEFAULT})",
    )
    example(
        parser,
        "atoll serial --port /dev/ttyACM0",
        "atoll serial --port /dev/ttyACM0 --port /dev/ttyACM1 --broker mqtt://192.168.1.10",
    )


def run(options: Any) -> int:
    """Bridge until a signal comes."""
    from atoll.transport.loop import Loop
    from atoll.transport.serial_shell import SerialShell
    from atoll.transport.url import parse_broker

    broker = parse_broker(options.broker)
    if broker.tls:
        raise UsageError("--broker: serial devices speak plain MQTT; mqtts:// is not for them")
    if len(set(options.port)) != len(options.port) or len(options.port) > LINES_MAX:
        raise UsageError(f"--port: each line once, at most {LINES_MAX}")
    loop = Loop()
    shells = [SerialShell(loop, port, broker, say) for port in options.port]
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.on_signal(number, lambda _: loop.stop())
    try:
        for shell in shells:
            shell.start()
        loop.run()
    finally:
        for shell in shells:
            shell.close()
        loop.close()
    return 0


def say(line: str) -> None:
    """A line of the log."""
    print(f"atoll serial: {line}", flush=True)
