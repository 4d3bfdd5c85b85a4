"""`atoll devices`, `shards`, `jobs`, `datasets`: one table each."""

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from atoll.cli.options import add_json, add_site, example, open_fleet
from atoll.cli.report import clock, print_json, print_table, size

Row = dict[str, Any]


class Column(NamedTuple):
    """A column's head and how a row shows in it."""

    head: str
    show: Callable[[Row], Any]


def _field(head: str, name: str | None = None) -> Column:
    return Column(head, lambda row: row.get(name or head))


def _bytes(head: str = "size", name: str = "bytes") -> Column:
    return Column(head, lambda row: size(row.get(name) or 0))


def _health(row: Row) -> str:
    """What a board measures, -1 and absent left out."""
    health = row.get("health") or {}
    shown = []
    for name, form in _HEALTH:
        value = health.get(name, -1)
        if isinstance(value, int | float) and value >= 0:
            shown.append(form(value))
    return ", ".join(filter(None, shown))


_HEALTH: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("temperature_mc", lambda v: f"{v / 1000:.0f} °C"),
    ("cpu_idle_permille", lambda v: f"{100 - v / 10:.0f} % cpu"),
    ("memory_free_bytes", lambda v: f"{size(v)} free"),
    ("round_trip_ms", lambda v: f"{v} ms away"),
    ("throttled", lambda v: "throttled" if v else ""),
)


def _done(row: Row) -> str:
    """A query's tasks done of all; a standing job has no last one."""
    standing = row.get("kind") == "standing"
    return f"{row.get('done')}" if standing else f"{row.get('done')}/{row.get('tasks')}"


TABLES: dict[str, tuple[Column, ...]] = {
    "devices": (
        _field("device", "id"),
        _field("state"),
        _field("zone"),
        _field("weight"),
        _field("shards"),
        _bytes(),
        _field("backlog"),
        _field("boot"),
        Column("health", _health),
    ),
    "shards": (
        _field("dataset"),
        _field("shard"),
        _field("streams"),
        _bytes(),
        _field("holders"),
        Column("copies", lambda row: f"{row.get('copies')}/{row.get('wanted')}"),
        _field("moving"),
    ),
    "jobs": (
        _field("job"),
        _field("kind"),
        _field("state"),
        _field("over"),
        Column("done", _done),
        _field("missing"),
        Column("started", lambda row: clock(row.get("started_ms"))),
        _field("plan"),
    ),
    "datasets": (
        _field("dataset", "name"),
        _field("dtype"),
        _field("streams"),
        _field("samples"),
        _bytes(),
        _field("shards"),
        _field("replicas"),
        Column("from", lambda row: clock(row.get("first_ms"))),
        Column("to", lambda row: clock(row.get("last_ms"))),
    ),
}
_NONE = {
    "devices": "no devices: atoll device --id ID joins one",
    "shards": "no shards: atoll put stores data",
    "jobs": "no jobs: atoll run and atoll start make them",
    "datasets": "no datasets: atoll put stores data",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    verb = parser.get_default("verb")
    if verb == "shards":
        parser.add_argument("dataset", nargs="?", help="only this dataset")
    if verb == "devices":
        parser.add_argument("id", nargs="?", help="only this device, with all that is known of it")
    add_json(parser)
    add_site(parser)
    example(
        parser,
        f"{parser.prog} vibration" if verb == "shards" else parser.prog,
        f"{parser.prog} --json",
    )


def run(options: Any) -> int:
    """Ask for the list and print it."""
    with open_fleet(options) as fleet:
        wanted = (options.dataset,) if options.verb == "shards" and options.dataset else ()
        rows = getattr(fleet, options.verb)(*wanted)
    one = getattr(options, "id", None)
    if one is not None:
        rows = [row for row in rows if row["id"] == one]
        if not rows:
            raise LookupFailed(f"no device {one!r}; atoll devices lists them")
    if options.json:
        print_json(rows)
    elif one is not None:
        _print_one(rows[0])
    else:
        columns = TABLES[options.verb]
        print_table(
            [column.head for column in columns],
            [[column.show(row) for column in columns] for row in rows],
            empty=_NONE[options.verb],
        )
    return 0


class LookupFailed(Exception):
    """The thing asked for is not there."""


def _print_one(row: Row) -> None:
    """All fields, then what the weight is made of: the least eighths count."""
    flat = {**{k: v for k, v in row.items() if k not in ("health", "strain", "factors")}}
    flat |= {name: value for part in ("health", "strain") for name, value in _known(row, part)}
    print_table(("field", "value"), [(name, str(value)) for name, value in flat.items()])
    factors = row.get("factors") or []
    if factors:
        print()
        print_table(
            ("factor", "measured", "weight", "rule"),
            [(f["name"], f["measured"], f"{f['eighths']}/8", f["rule"]) for f in factors],
        )


def _known(row: Row, part: str) -> list[tuple[str, Any]]:
    """What the board could measure."""
    return [(name, value) for name, value in (row.get(part) or {}).items() if value != -1]
