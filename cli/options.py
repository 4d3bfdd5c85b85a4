"""Arguments that several verbs share, and the connection they lead to."""

import argparse
import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atoll.gateway.client import Fleet

BROKER_DEFAULT = "mqtt://127.0.0.1:1883"
SITE_DEFAULT = "home"
_SPAN_MS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


class UsageError(Exception):
    """The command line asks for something that cannot be; the message says what would be right."""

    exit_code = 2


def add_site(parser: argparse.ArgumentParser) -> None:
    """Add --broker, --site and --timeout."""
    site = parser.add_argument_group("site")
    site.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("ATOLL_BROKER", BROKER_DEFAULT),
        help=f"mqtt://[user[:password]@]host[:port] (ATOLL_BROKER; {BROKER_DEFAULT})",
    )
    site.add_argument(
        "--site",
        default=os.environ.get("ATOLL_SITE", SITE_DEFAULT),
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )
    site.add_argument(
        "--timeout",
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds to wait for the broker and the gateway (10)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def add_range(parser: argparse.ArgumentParser) -> None:
    """Add --since, --until and --last."""
    span = parser.add_argument_group("range of time")
    span.add_argument(
        "--since", type=moment, metavar="TIME", help="ISO 8601, or seconds since 1970"
    )
    span.add_argument("--until", type=moment, metavar="TIME", help="first moment that is left out")
    span.add_argument("--last", type=span_s, metavar="SPAN", help="such as 90s, 10m, 1h, 7d")


def example(parser: argparse.ArgumentParser, *lines: str) -> None:
    """Show these commands at the end of --help."""
    parser.epilog = "example:\n" + "\n".join(f"  {line}" for line in lines)


def open_fleet(options: Any) -> "Fleet":
    """Connect as the options of `add_site` say."""
    from atoll.gateway.client import connect

    return connect(with_password(options.broker), site=options.site, timeout_s=options.timeout)


def with_password(url: str) -> str:
    """Put ATOLL_PASSWORD into the first URL that names a user without a password."""
    password = os.environ.get("ATOLL_PASSWORD")
    if not password:
        return url
    from urllib.parse import quote

    return re.sub(
        r"//([^:@/]+)@", lambda found: f"//{found[1]}:{quote(password, safe='')}@", url, count=1
    )


def seconds(text: str) -> float:
    """A positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def span_s(text: str) -> float:
    """Seconds of a span such as 90s, 10m, 1h, 7d."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|min|m|h|d)", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a span such as 90s, 10m, 1h, 7d")
    return float(found[1]) * _SPAN_MS[found[2]] / 1_000


_SIZES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def size_bytes(text: str) -> int:
    """Bytes of a size such as 500M, 10G, 1.5T."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M, 10G, 1.5T")
    return round(float(found[1]) * _SIZES[found[2]])


def moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time (local unless it says otherwise) or of a number."""
    from datetime import datetime

    try:
        return float(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-05-01T12:00:00 or seconds since 1970"
        ) from None
