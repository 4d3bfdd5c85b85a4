"""Topics of a site: two subtrees per device, so that two lines of an access list cover it;
docs/wire.md has the table.

Names go into topics, so they are checked where they enter: no `+`, `#`, `/`, control character or
`$` can occur.
"""

from typing import NamedTuple

from atoll.wire import limits
from atoll.wire.errors import DecodeError, EncodeError

ROOT = "atoll/v1"

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CHARACTERS = _LETTERS | frozenset("._-")

UP = frozenset({"status", "health", "birth", "partial", "block", "lease"})
DOWN = frozenset({"map", "task", "block", "ack", "lease"})
GATEWAY = frozenset({"status", "lead", "ledger", "standby"})


def is_name(name: str) -> bool:
    """Whether `name` is [A-Za-z0-9][A-Za-z0-9._-]{0,63}."""
    return (
        0 < len(name) <= limits.NAME_BYTES_MAX
        and name[0] in _LETTERS
        and _CHARACTERS.issuperset(name)
    )


def check_name(name: str, what: str) -> str:
    """`name` if it may stand in a topic, else `EncodeError` that says so of `what` (device,
    dataset, ...).
    """
    if not is_name(name):
        raise EncodeError(
            "name",
            f"{what} {name!r}: 1 to {limits.NAME_BYTES_MAX} of the characters A-Z a-z 0-9 . _ -, "
            "beginning with a letter or a digit",
        )
    return name


class Address(NamedTuple):
    """A topic taken apart: `kind` is up, down, client, job, event or gateway; `name` the device's,
    client's or job's.
    """

    kind: str
    name: str
    leaf: str


class Topics:
    """The topics of one site, made and read."""

    def __init__(self, site: str) -> None:
        check_name(site, "site")
        if site != site.lower():
            raise EncodeError("name", f"site {site!r}: lower case only")
        self.site = site
        self.base = f"{ROOT}/{site}"
        self.event = f"{self.base}/event"
        self.gateway_status = f"{self.base}/gateway/status"
        self.lead = f"{self.base}/gateway/lead"
        self.ledger = f"{self.base}/gateway/ledger"
        self.standby = f"{self.base}/gateway/standby"
        self.all = f"{self.base}/#"
        self.all_up = f"{self.base}/device/+/up/#"
        self.all_requests = f"{self.base}/client/+/request"
        self.all_results = f"{self.base}/job/+/result"

    def up(self, device: str, leaf: str) -> str:
        """What the device says: status, health, birth, partial, block, lease; "#" for all."""
        return f"{self.base}/device/{check_name(device, 'device')}/up/{leaf}"

    def down(self, device: str, leaf: str) -> str:
        """What the device is told: map, task, block, ack, lease; "#" for all."""
        return f"{self.base}/device/{check_name(device, 'device')}/down/{leaf}"

    def request(self, client: str) -> str:
        """Where a client asks."""
        return f"{self.base}/client/{check_name(client, 'client')}/request"

    def reply(self, client: str) -> str:
        """Where a client is answered."""
        return f"{self.base}/client/{check_name(client, 'client')}/reply"

    def result(self, job: str) -> str:
        """Where a job's newest result is retained."""
        return f"{self.base}/job/{check_name(job, 'job')}/result"

    def parse(self, topic: str) -> Address:
        """Take a topic of this site apart. Raises `DecodeError` for any other."""
        if topic.startswith(self.base + "/"):
            match topic[len(self.base) + 1 :].split("/"):
                case ["device", name, "up", leaf] if leaf in UP and is_name(name):
                    return Address("up", name, leaf)
                case ["device", name, "down", leaf] if leaf in DOWN and is_name(name):
                    return Address("down", name, leaf)
                case ["client", name, "request" | "reply" as leaf] if is_name(name):
                    return Address("client", name, leaf)
                case ["job", name, "result"] if is_name(name):
                    return Address("job", name, "result")
                case ["event"]:
                    return Address("event", "", "event")
                case ["gateway", leaf] if leaf in GATEWAY:
                    return Address("gateway", "", leaf)
        raise DecodeError("topic", f"{topic[:80]!r} is no topic of site {self.site}")


def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription takes a topic (MQTT 5.0 section 4.7); `$` topics only by name."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for at, level in enumerate(wanted):
        if level == "#":
            return True
        if at >= len(levels) or level not in ("+", levels[at]):
            return False
    return len(wanted) == len(levels)
