"""Addresses of brokers: `mqtt://user:password@host:port`, `mqtts://` for TLS, or just `host` or
`host:port`.
"""

from typing import NamedTuple

from atoll.transport.errors import AddressError

PORTS = {"mqtt": 1883, "mqtts": 8883}
_WANTED = "it looks like mqtt://[user:password@]host[:port]"


class Broker(NamedTuple):
    """Where a broker listens and as whom to come."""

    host: str
    port: int
    username: str = ""
    password: str = ""
    tls: bool = False

    @property
    def url(self) -> str:
        """The address without the password, for people and logs."""
        user = f"{self.username}@" if self.username else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt{'s' if self.tls else ''}://{user}{host}:{self.port}"


def parse_broker(text: str) -> Broker:
    """Read one address. Raises `AddressError`.

    Not `urllib.parse`: it accepts what no broker has (paths, queries) and costs a board 300 KB.
    """
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "mqtt", text
    if scheme not in PORTS:
        raise AddressError(f"broker {_shown(text)}: mqtt:// or mqtts:// is wanted, not {scheme}://")
    rest = rest.removesuffix("/")
    user, _, place = rest.rpartition("@")
    username, _, password = user.partition(":")
    host, port = _host_and_port(place, PORTS[scheme], text)
    return Broker(host, port, _unquote(username), _unquote(password), scheme == "mqtts")


def parse_brokers(text: str) -> list[Broker]:
    """Read a list of addresses separated by commas: tried in turn. Raises `AddressError`."""
    return [parse_broker(part.strip()) for part in text.split(",")]


def _shown(text: str) -> str:
    """The address as it may appear in a message: no password."""
    return repr(text.rpartition("@")[2])


def _host_and_port(place: str, port: int, text: str) -> tuple[str, int]:
    host, bracket, after = place.partition("]")
    if bracket and host.startswith("["):
        host, digits = host[1:], after.removeprefix(":")
        plain = after == "" or after.startswith(":")
    else:
        host, _, digits = place.partition(":")
        plain = "[" not in place
    if not host or not plain or any(c in "/?# @" or c < "!" for c in host):
        raise AddressError(f"broker {_shown(text)}: {_WANTED}")
    if not digits:
        return host, port
    if not (digits.isascii() and digits.isdigit() and 0 < int(digits) < 65536):
        raise AddressError(f"broker {_shown(text)}: port {digits!r} is not 1 to 65535")
    return host, int(digits)


def _unquote(text: str) -> str:
    """Undo %XX, so that a password may hold any character."""
    head, *parts = text.split("%")
    raw = head.encode()
    for part in parts:
        try:
            raw += bytes.fromhex(part[:2]) + part[2:].encode()
        except ValueError:
            raise AddressError("broker: a % in user or password is written %25") from None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise AddressError("broker: user and password are UTF-8") from None
