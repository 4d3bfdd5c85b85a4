"""Settings files of a program: TOML, with a table for each program and a folder of additions.

    FILE             [gateway] and [device] are theirs; site and broker at the top are everybody's;
                     without a table, all of it is the one program's that reads it
    conf.d/*.toml    beside it, in the order of their names; a later file wins, key by key

An unknown key or a wrong type is an error that names the file and says what would be right.
"""

from pathlib import Path
from typing import Any

from atoll.transport.errors import SettingsError

TABLES = ("gateway", "device")
SHARED = ("site", "broker")
# More than this is no settings file.
FILE_BYTES_MAX = 1_048_576
FILES_MAX = 64
_SAID = {int: "a number", float: "a number", bool: "true or false", str: "a text", list: "a list"}


def read_settings(path: Path, table: str, kinds: dict[str, type]) -> dict[str, Any]:
    """The settings for one table of a file and its conf.d; `kinds`: every key it may have, by type.

    A `list` is one of texts, or one text. Raises `SettingsError`.
    """
    values: dict[str, Any] = {}
    more = sorted(path.parent.glob("conf.d/*.toml"))
    if len(more) > FILES_MAX:
        raise SettingsError(f"{path.parent}/conf.d has {len(more)} files, {FILES_MAX} at most")
    for file in (path, *more):
        given = _load(file)
        tables = {name: given.pop(name) for name in TABLES if name in given}
        # A file without tables is one program's alone.
        top = {name: kinds[name] for name in SHARED if name in kinds} if tables else kinds
        own = tables.get(table, {})
        if type(own) is not dict:
            raise SettingsError(f"configuration {file}: {table} is a table: [{table}]")
        values |= {name: _checked(file, name, value, top) for name, value in given.items()}
        values |= {name: _checked(file, name, value, kinds) for name, value in own.items()}
    return values


def _load(path: Path) -> dict[str, Any]:
    import tomllib  # not before there is a file: a device pays for its modules

    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError(f"configuration {path}: larger than {FILE_BYTES_MAX:,} bytes")
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"configuration {path}: {error}") from None


def _checked(path: Path, name: str, value: Any, kinds: dict[str, type]) -> Any:
    if name not in kinds:
        raise SettingsError(f"configuration {path}: unknown key {name!r}{_meant(name, kinds)}")
    wanted = kinds[name]
    if wanted is float and type(value) is int:
        return float(value)
    if wanted is list and type(value) is str:
        return [value]
    fits = type(value) is wanted
    if fits and isinstance(value, list):
        fits = all(type(one) is str for one in value)
    if not fits:
        raise SettingsError(f"configuration {path}: {name} = {value!r}, {_SAID[wanted]} is wanted")
    return value


def _meant(name: str, kinds: dict[str, type]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, kinds, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(kinds)}"
