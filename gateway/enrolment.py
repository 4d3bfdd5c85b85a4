"""Who may come to the broker, and who may say what: tokens, verifiers, mosquitto's two files.

`enrolment.json` is the record; `passwords` and `acl` are written from it, whole, each time it
changes. Nothing in the three files is a secret: they hold verifiers. An id has one role for ever,
until it is forgotten, so that no device can act as a client or the other way round.

A device is enrolled in two steps. `enroll_device` gives a one-time token (128 bits, good for 24 h);
with it as password the device may do one thing only: talk on its lease topics. It makes a secret of
its own and sends the verifier (`messages.Credential`); `exchange` puts that in the token's place,
which is then dead. The access list names each device with its two subtrees and nothing else.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from atoll.gateway.broker import Access
from atoll.gateway.errors import ConfigError, GatewayError
from atoll.gateway.private import write_private
from atoll.wire.credential import SALT_BYTES, SECRET_BYTES, check_verifier, make_verifier
from atoll.wire.errors import WireError
from atoll.wire.topics import Topics, check_name

TOKEN_BYTES = 16
TOKEN_MS = 24 * 3_600 * 1_000
GATEWAY = "gateway"  # its own user name; no id may be that
ENTRIES_MAX = 100_000

PENDING, DEVICE, CLIENT = "pending", "device", "client"
_ROLES = (PENDING, DEVICE, CLIENT, GATEWAY)
_VERSION = 1


class Entry(NamedTuple):
    """One user: `role` pending (a device with its token), device, client or gateway.

    `expires_ms`: when a token dies (ms since 1970); 0 for the others.
    """

    role: str
    verifier: str
    expires_ms: int = 0


class Enrolment:
    """The access files of a site in `directory`. Times are milliseconds since 1970, arguments."""

    def __init__(self, directory: Path, site: str) -> None:
        self._directory = directory
        self._topics = Topics(site)

    @property
    def access(self) -> Access:
        """The files for mosquitto."""
        return Access(self._directory / "passwords", self._directory / "acl")

    @property
    def exists(self) -> bool:
        """Whether anybody is enrolled, so that nobody comes without a password."""
        return (self._directory / "enrolment.json").exists()

    def enroll_device(self, device: str, now_ms: int) -> str:
        """A new one-time token for a device; an older token, or its secret, is void from now on.

        Raises `GatewayError` for an id that cannot stand in a topic or has another role.
        """
        token = secrets.token_hex(TOKEN_BYTES)
        entry = Entry(PENDING, _verifier(token), now_ms + TOKEN_MS)
        self._enter(device, entry, instead_of=(PENDING, DEVICE))
        return token

    def enroll_client(self, client: str) -> str:
        """A new secret for a client (a person, a dashboard), kept as a verifier only."""
        secret = secrets.token_hex(SECRET_BYTES)
        self._enter(client, Entry(CLIENT, _verifier(secret)), instead_of=(CLIENT,))
        return secret

    def enroll_gateway(self, name: str) -> str:
        """A new secret for a gateway on a broker that is not its own, kept as a verifier only."""
        secret = secrets.token_hex(SECRET_BYTES)
        self._enter(name, Entry(GATEWAY, _verifier(secret)), instead_of=(GATEWAY,))
        return secret

    def exchange(self, device: str, verifier: str, now_ms: int) -> bool:
        """Put the device's own verifier in its token's place; False if it has no live token."""
        try:
            check_verifier(verifier)
        except WireError:
            return False
        with self._changing() as entries:
            entry = entries.get(device)
            if entry is None or entry.role != PENDING or entry.expires_ms <= now_ms:
                return False
            entries[device] = Entry(DEVICE, verifier)
        return True

    def expire(self, now_ms: int) -> list[str]:
        """Remove the tokens that have run out; whose they were."""
        if not self.exists:
            return []
        gone = [name for name, entry in self.entries().items() if _has_expired(entry, now_ms)]
        if gone:
            with self._changing() as entries:
                gone = [name for name, entry in entries.items() if _has_expired(entry, now_ms)]
                for name in gone:
                    del entries[name]
        return gone

    def forget(self, name: str) -> bool:
        """Take a device's or client's rights away; whether it had any. The gateway's stay."""
        with self._changing() as entries:
            known = name in entries and name != GATEWAY
            if known:
                del entries[name]
        return known

    def gateway_secret(self) -> str:
        """The gateway's own password, made at the first call; kept in a file of mode 0600."""
        path = self._directory / "gateway.secret"
        try:
            secret = path.read_text().strip()
        except FileNotFoundError:
            secret = ""
        with self._changing() as entries:
            if not secret:
                secret = secrets.token_hex(SECRET_BYTES)
                write_private(path, f"{secret}\n".encode())
                entries.pop(GATEWAY, None)
            if GATEWAY not in entries:
                entries[GATEWAY] = Entry(GATEWAY, _verifier(secret))
        return secret

    def refresh(self) -> None:
        """Write mosquitto's files anew from the record: at start, after a crash between the two."""
        with self._changing() as entries:
            self._write(entries)

    def entries(self) -> dict[str, Entry]:
        """All users by name. Raises `GatewayError` if the record cannot be read."""
        import json

        path = self._directory / "enrolment.json"
        try:
            tree = json.loads(path.read_bytes())
            if tree["version"] != _VERSION:
                raise GatewayError(f"{path}: version {tree['version']} is not known here")
            return {name: _entry(name, row) for name, row in tree["users"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise GatewayError(f"{path} is damaged ({error}): restore it, or enrol anew") from None

    # --- the files ------------------------------------------------------------------------------

    def _enter(self, name: str, entry: Entry, *, instead_of: tuple[str, ...]) -> None:
        try:
            check_name(name, entry.role)
        except WireError as error:
            raise GatewayError(str(error)) from None
        if name == GATEWAY:
            raise GatewayError(f"{GATEWAY!r} is the gateway's own name: choose another one")
        with self._changing() as entries:
            old = entries.get(name)
            if old is not None and old.role not in instead_of:
                raise GatewayError(f"{name!r} is a {old.role} already; `atoll forget` it first")
            if old is None and len(entries) >= ENTRIES_MAX:
                raise GatewayError(f"{ENTRIES_MAX} users are enrolled: no more fit")
            entries[name] = entry

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Entry]]:
        """The entries, to be changed; written at the end if they were. One process at a time."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = self.entries()
            before = dict(entries)
            yield entries
            if entries != before:
                self._write(entries)
        finally:
            os.close(lock)

    def _write(self, entries: dict[str, Entry]) -> None:
        """The record first: it counts, and `refresh` writes the other two from it."""
        import json

        names = sorted(entries)
        passwords = "".join(f"{name}:{entries[name].verifier}\n" for name in names)
        acl = "\n".join(self._acl(name, entries[name].role) for name in names)
        tree: dict[str, Any] = {
            "version": _VERSION,
            "users": {name: entries[name]._asdict() for name in names},
        }
        record = json.dumps(tree, indent=1).encode() + b"\n"
        write_private(self._directory / "enrolment.json", record)
        write_private(self.access.passwords, passwords.encode())
        write_private(self.access.acl, acl.encode())

    def _acl(self, name: str, role: str) -> str:
        """The lines of one user: whom mosquitto finds nowhere may do nothing."""
        topics = self._topics
        lines = {
            PENDING: lambda: [
                f"write {topics.up(name, 'lease')}",
                f"read {topics.down(name, 'lease')}",
            ],
            DEVICE: lambda: [f"write {topics.up(name, '#')}", f"read {topics.down(name, '#')}"],
            CLIENT: lambda: [
                f"write {topics.request(name)}",
                f"read {topics.reply(name)}",
                f"read {topics.all_results}",
                f"read {topics.event}",
                f"read {topics.gateway_status}",
                f"read {topics.base}/device/+/up/status",
                f"read {topics.base}/device/+/up/health",
            ],
            GATEWAY: lambda: [f"readwrite {topics.all}"],
        }[role]()
        return "".join([f"user {name}\n", *(f"topic {line}\n" for line in lines)])


def check_listen(address: str, enrolment: Enrolment) -> None:
    """Refuse to listen beyond loopback without enrolled users. Raises `ConfigError`."""
    if is_loopback(address):
        return
    if not any(entry.role != GATEWAY for entry in enrolment.entries().values()):
        raise ConfigError(
            f"--listen {address} is reachable from outside and nobody is enrolled: "
            "`atoll enroll ID` for each device first"
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches what listens on `address`."""
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _verifier(secret: str) -> str:
    return make_verifier(secret, secrets.token_bytes(SALT_BYTES))


def _has_expired(entry: Entry, now_ms: int) -> bool:
    return entry.role == PENDING and entry.expires_ms <= now_ms


def _entry(name: str, row: dict[str, Any]) -> Entry:
    """A user of the record, checked: its parts become lines of mosquitto's files."""
    entry = Entry(str(row["role"]), check_verifier(str(row["verifier"])), int(row["expires_ms"]))
    check_name(name, "user")
    if entry.role not in _ROLES or (name == GATEWAY and entry.role != GATEWAY):
        raise ValueError(f"role {entry.role!r} of {name!r}")
    return entry
