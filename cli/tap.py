"""`atoll tap`: every message of the site, decoded, one line each.

It reads the broker and nothing else, so that it shows what goes on when no gateway answers too.
What cannot be decoded is shown as such, with the reason: a tap that hides damage is of no use.
"""

import argparse
import json
import os
import queue
import time
from datetime import datetime
from typing import Any

from atoll.cli.options import add_json, add_site, example, seconds, with_password
from atoll.cli.report import cell, print_json

# Lines waiting for a slow terminal; what does not fit is counted and said.
_QUEUE_MAX = 10_000
# Bytes and lists are shown by their length and first items: a block's samples tell nobody anything.
_BYTES_SHOWN = 8
_ITEMS_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "filter", nargs="*", help="show only topics that contain one of these words"
    )
    parser.add_argument(
        "--for", dest="duration", type=seconds, metavar="S", help="end after S seconds"
    )
    parser.add_argument("--count", type=int, metavar="N", help="end after N messages")
    add_json(parser)
    add_site(parser)
    example(
        parser,
        "atoll tap",
        "atoll tap down/task up/partial --count 20",
        "atoll tap --json --for 10 > site.jsonl",
    )


def run(options: Any) -> int:
    """Print messages until the reader has enough."""
    from atoll.gateway.client_mail import Mail
    from atoll.wire.topics import Topics

    topics = Topics(options.site)
    inbox: queue.Queue[tuple[float, str, bytes, bool]] = queue.Queue(_QUEUE_MAX)
    lost = 0

    def arrived(topic: str, payload: bytes, retained: bool) -> None:
        nonlocal lost
        try:
            inbox.put_nowait((time.time(), topic, payload, retained))
        except queue.Full:
            lost += 1

    mail = Mail(with_password(options.broker), client_id=f"tap-{os.urandom(4).hex()}")
    try:
        mail.open(options.timeout)
        mail.subscribe(topics.all, arrived)
        _show(options, inbox, len(topics.base) + 1)
    finally:
        mail.close()
        if lost:
            print(f"atoll: {lost} messages came faster than they could be shown", flush=True)
    return 0


def _show(options: Any, inbox: "queue.Queue[tuple[float, str, bytes, bool]]", cut: int) -> None:
    shown = 0
    ends_s = time.monotonic() + (options.duration or float("inf"))
    while options.count is None or shown < options.count:
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            return
        try:
            # Bounded, so that a signal is seen.
            at_s, topic, payload, retained = inbox.get(timeout=min(left_s, 1.0))
        except queue.Empty:
            continue
        short = topic[cut:]
        if options.filter and not any(word in short for word in options.filter):
            continue
        shown += 1
        kind, body = describe(payload)
        if options.json:
            print_json(
                {
                    "wall_s": at_s,
                    "topic": topic,
                    "retained": retained,
                    "type": kind,
                    "message": body,
                }
            )
        else:
            clock = datetime.fromtimestamp(at_s).strftime("%H:%M:%S.%f")[:-3]
            mark = " (retained)" if retained else ""
            print(f"{clock} {short}{mark} {kind} {one_line(body)}".rstrip(), flush=True)


def describe(payload: bytes) -> tuple[str, Any]:
    """What a payload is: its message's name and content, JSON, empty, or why it cannot be read."""
    from atoll.wire.codec import decode
    from atoll.wire.errors import WireError

    if not payload:
        return "cleared", None
    if payload[:1] in (b"{", b"["):
        try:
            return "json", json.loads(payload)
        except ValueError:
            pass
    try:
        message = decode(payload)
    except WireError as error:
        return "damaged", f"{len(payload)} bytes: {error}"
    return type(message).__name__, readable(message)


def readable(value: Any) -> Any:
    """A message as names and values that JSON can hold."""
    if isinstance(value, bytes):
        tail = "…" if len(value) > _BYTES_SHOWN else ""
        return f"{len(value)} bytes {value[:_BYTES_SHOWN].hex()}{tail}" if value else ""
    if hasattr(value, "_asdict"):
        return {name: readable(item) for name, item in value._asdict().items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    return value


def one_line(value: Any, *, inner: bool = False) -> str:
    """The same, short enough for a line; what is nested stands in brackets."""
    if isinstance(value, dict):
        pairs = " ".join(f"{name}={one_line(item, inner=True)}" for name, item in value.items())
        return f"({pairs})" if inner else pairs
    if isinstance(value, list):
        items = ", ".join(one_line(item, inner=True) for item in value[:_ITEMS_SHOWN])
        more = f", … {len(value)} in all" if len(value) > _ITEMS_SHOWN else ""
        return f"[{items}{more}]"
    return cell(value) if isinstance(value, float | bool) else str(value)
