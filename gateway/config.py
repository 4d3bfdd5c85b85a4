"""Options of a gateway: command line over configuration file over environment over defaults.

The file is TOML with the keys of `KEYS`, alone or in a table [gateway], and has a folder conf.d of
additions beside it (transport/settings.py).
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from atoll.gateway.broker import KINDS, LOOPBACK
from atoll.gateway.errors import ConfigError
from atoll.gateway.profiles import PROFILES
from atoll.transport.errors import AddressError, SettingsError
from atoll.transport.settings import read_settings
from atoll.transport.url import Broker, parse_brokers
from atoll.wire.errors import WireError
from atoll.wire.topics import Topics

KEYS = {
    "site": "the site's name, lower case",
    "broker": "URL of an external broker, or several with commas; without it one is brought",
    "state": "directory of the ledger and of the gateway's own broker",
    "listen": "address on which the own broker listens",
    "port": "port of the own broker; 0: the last one, else 1883, else a free one",
    "broker_kind": "own broker: auto, mosquitto or iotcore",
    "audit": "percent of the tasks that a second replica computes, too: 0 to 100 (1)",
    "standby": "true: stand by for the gateway that leads on the same broker",
    "profile": f"timing of devices that name none: {', '.join(PROFILES)}",
}
_TYPES: dict[str, type] = dict.fromkeys(KEYS, str) | {"port": int, "audit": float, "standby": bool}

AUDIT_DEFAULT = 1.0


class Config(NamedTuple):
    """A gateway's options, checked. `brokers` empty: bring one."""

    site: str
    brokers: list[Broker]
    state: Path
    listen: str
    port: int
    broker_kind: str
    profile: str
    audit: float = AUDIT_DEFAULT
    standby: bool = False
    alone: bool = False


def load(options: Any) -> Config:
    """The options of a parsed command line (`None` where not given). Raises ConfigError."""
    values = _file(Path(options.config)) if getattr(options, "config", None) else {}
    for name, variable in (("site", "ATOLL_SITE"), ("broker", "ATOLL_BROKER")):
        if name not in values and os.environ.get(variable):
            values[name] = os.environ[variable]
    for name in KEYS:
        given = getattr(options, name, None)
        if given is not None:
            values[name] = given
    return _checked(values)._replace(alone=bool(getattr(options, "alone", False)))


def _file(path: Path) -> dict[str, Any]:
    try:
        return read_settings(path, "gateway", _TYPES)
    except SettingsError as error:
        raise ConfigError(str(error)) from None


def _checked(values: dict[str, Any]) -> Config:
    site = values.get("site", "home")
    try:
        Topics(site)
        brokers = parse_brokers(values["broker"]) if values.get("broker") else []
    except (WireError, AddressError) as error:
        raise ConfigError(str(error)) from None
    profile, kind = values.get("profile", "normal"), values.get("broker_kind", "auto")
    if profile not in PROFILES:
        raise ConfigError(f"profile {profile!r} is none of {', '.join(PROFILES)}")
    if kind not in KINDS:
        raise ConfigError(f"broker kind {kind!r} is none of {', '.join(KINDS)}")
    port = values.get("port", 0)
    if not 0 <= port < 65_536:
        raise ConfigError(f"port {port}: 0 to 65535")
    audit = values.get("audit", AUDIT_DEFAULT)
    if not 0.0 <= audit <= 100.0:
        raise ConfigError(f"audit {audit}: 0 to 100 percent of the tasks")
    standby = values.get("standby", False)
    if standby and not brokers:
        raise ConfigError(
            "a standby needs a broker that outlives the gateway it stands by for: give both of them"
            " --broker"
        )
    state = Path(values["state"]) if values.get("state") else default_state(site)
    listen = values.get("listen", LOOPBACK)
    return Config(site, brokers, state, listen, port, kind, profile, audit, standby)


def default_state(site: str) -> Path:
    """Where a gateway keeps its state unless told otherwise: $XDG_STATE_HOME/atoll/SITE."""
    base = os.environ.get("XDG_STATE_HOME")
    root = Path(base) if base else Path.home() / ".local" / "state"
    return root / "atoll" / site / "gateway"
