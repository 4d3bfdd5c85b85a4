"""A fleet of one's own, from a TOML file: its devices, zones, datasets, and what is to go wrong.

hours = 0.05                    # under faults, virtual; then everything heals
seeds = 20
faults = ["crash", "zone"]      # or "all", "none"; `atoll sim --faults list`
clients = 2
interval_s = 2.0                # how often devices report
out_after_s = 600.0             # when what a silent device held is copied anew

[[devices]]
name = "pi-{n}"                 # {n} counts from 1
count = 6
zone = "rack-{n}"               # here {n} counts from 1 to `zones`, in turn
zones = 3
capacity = 1.0                  # against a Raspberry Pi 4
profile = "normal"
streams = 1                     # that each samples itself

[[datasets]]
name = "vibration"
streams = 12
shards = 16
replicas = 2
"""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from atoll.gateway.catalog import REPLICAS_MAX
from atoll.gateway.profiles import PROFILES, Profile
from atoll.sim.client import LIVE, Wanted
from atoll.sim.device import Kind
from atoll.sim.nemesis import KINDS
from atoll.sim.site import SAMPLES, Setup
from atoll.wire import messages as wire
from atoll.wire.topics import is_name

DEVICES_MAX = 20_000


class FleetError(Exception):
    """The file does not describe a fleet; the message names the key."""


class Key(NamedTuple):
    """What a key may be: its type, its default (None: it must be there), the least and the most."""

    kind: type
    default: Any
    least: float = 0.0
    most: float = 0.0


SITE = {
    "hours": Key(float, 0.02, 1e-6, 10_000.0),
    "seeds": Key(int, 10, 1, 10_000_000),
    "clients": Key(int, 2, 1, 100),
    "interval_s": Key(float, 2.0, 0.05, 3_600.0),
    "out_after_s": Key(float, 600.0, 0.1, 1e7),
}
DEVICES = {
    "name": Key(str, None),
    "count": Key(int, 1, 1, DEVICES_MAX),
    "zone": Key(str, ""),
    "zones": Key(int, 1, 1, DEVICES_MAX),
    "capacity": Key(float, 1.0, 0.01, 600.0),
    "profile": Key(str, "normal"),
    "streams": Key(int, 0, 0, 256),
}
DATASETS = {
    "name": Key(str, None),
    "streams": Key(int, 8, 1, 100_000),
    "shards": Key(int, 8, 1, 65_535),
    "replicas": Key(int, 2, 1, REPLICAS_MAX),
}


class Plan(NamedTuple):
    """What is to be run: the site, and how many seeds."""

    setup: Setup
    seeds: int


def load(path: Path) -> Plan:
    """The fleet of a file. Raises FleetError."""
    try:
        with path.open("rb") as file:
            tree = tomllib.load(file)
    except OSError as error:
        raise FleetError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FleetError(f"{path}: {error}") from None
    try:
        return _fleet(tree)
    except FleetError as error:
        raise FleetError(f"{path}: {error}") from None


def _fleet(tree: dict[str, Any]) -> Plan:
    faults = _faults(tree.pop("faults", "all"))
    groups = _tables(tree, "devices", DEVICES)
    datasets = _tables(tree, "datasets", DATASETS)
    site = _values(tree, SITE, "")
    kinds: list[Kind] = []
    for at, group in enumerate(groups):
        kinds += _kinds(group, f"devices[{at}].")
    if not kinds:
        raise FleetError("devices: there are none; [[devices]] begins one or several")
    if len(kinds) > DEVICES_MAX:
        raise FleetError(f"devices: {len(kinds)} of them, at most {DEVICES_MAX}")
    names = [kind.name for kind in kinds]
    twice = next((name for name in names if names.count(name) > 1), "") if len(names) < 500 else ""
    if twice or len(set(names)) < len(names):
        raise FleetError(f"devices: the name {twice or names[0]!r} is there twice; {{n}} counts")
    wanted = [_wanted(row, f"datasets[{at}].") for at, row in enumerate(datasets)]
    profile = Profile("fleet", site["interval_s"], site["out_after_s"], 10.0)
    setup = Setup(
        len(kinds), 8, site["hours"], faults, tuple(kinds), site["clients"],
        tuple(wanted) or (Wanted("data", 8, 8, 2),), profile,
    )  # fmt: skip
    return Plan(setup, site["seeds"])


def _faults(given: Any) -> tuple[str, ...]:
    if given == "all":
        return tuple(KINDS)
    if given == "none":
        return ()
    if not isinstance(given, list):
        raise FleetError(f'faults = {given!r}: a list of kinds, "all" or "none" is wanted')
    for kind in given:
        if kind not in KINDS:
            raise FleetError(f"faults: no kind {kind!r}{_near(str(kind), KINDS)}")
    return tuple(given)


def _tables(tree: dict[str, Any], name: str, keys: dict[str, Key]) -> list[dict[str, Any]]:
    rows = tree.pop(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FleetError(f"{name}: write [[{name}]], once for each group")
    return [_values(row, keys, f"{name}[{at}].") for at, row in enumerate(rows)]


def _values(tree: dict[str, Any], keys: dict[str, Key], where: str) -> dict[str, Any]:
    for name in tree:
        if name not in keys:
            known = keys if where else [*keys, "faults", "devices", "datasets"]
            raise FleetError(f"{where}{name}: no such key{_near(name, known)}")
    return {name: _value(tree.get(name), key, where + name) for name, key in keys.items()}


def _value(value: Any, key: Key, where: str) -> Any:
    if value is None:
        if key.default is None:
            raise FleetError(f"{where}: it is missing")
        return key.default
    if key.kind is float and type(value) is int:
        value = float(value)
    number: Any = value
    if type(value) is not key.kind:
        wanted = {int: "a whole number", float: "a number", str: "a text"}[key.kind]
        raise FleetError(f"{where} = {value!r}: {wanted} is wanted")
    if key.most and not key.least <= number <= key.most:
        raise FleetError(f"{where} = {value!r}: {key.least:g} to {key.most:g} is allowed")
    return value


def _near(name: str, known: Any) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _kinds(group: dict[str, Any], where: str) -> list[Kind]:
    if group["profile"] not in PROFILES:
        known = ", ".join(PROFILES)
        raise FleetError(f"{where}profile = {group['profile']!r}: none of {known}")
    found = []
    for number in range(1, group["count"] + 1):
        name = group["name"].replace("{n}", str(number))
        zone = group["zone"].replace("{n}", str((number - 1) % group["zones"] + 1)) or name
        for what, text in (("name", name), ("zone", zone)):
            if not is_name(text):
                allowed = "letters, digits, '.', '_' and '-', at most 64"
                raise FleetError(f"{where}{what} = {text!r}: {allowed}")
        streams = tuple(
            wire.StreamInfo(LIVE, f"{name}/s{at}", "i16", 1, float(SAMPLES), 1.0, "")
            for at in range(group["streams"])
        )
        found.append(Kind(name, zone, group["capacity"], group["profile"], streams))
    return found


def _wanted(row: dict[str, Any], where: str) -> Wanted:
    if not is_name(row["name"]) or row["name"] == LIVE:
        raise FleetError(f"{where}name = {row['name']!r}: a name that is not {LIVE!r} is wanted")
    return Wanted(row["name"], row["streams"], row["shards"], row["replicas"])
