"""What the catalogue says of a kernel, and how it is written in a plan."""

from typing import NamedTuple

REQUIRED = object()
ABSENT = object()  # left out with all that follows: the operation then has no words


_KINDS = {
    "count": "a whole number",
    "number": "a number",
    "part": "a number in steps of 1e-9",
    "model": "a model by name",
}
_OF_NOTHING = {
    "stream": "no samples",
    "sample": "no samples",
    "window": "no windows: fewer samples than one are dropped",
}


class Param(NamedTuple):
    """One argument. kind: count (integer), number (f32), part (0..1 by 1e-9), choice, model."""

    name: str
    kind: str
    default: object = REQUIRED
    low: float = float("-inf")
    high: float = float("inf")
    many: bool = False
    keyword: bool = False
    choices: tuple[str, ...] = ()
    repeats: bool = False  # of many values some may be equal

    @property
    def range(self) -> str:
        """What it may be, in words: `a whole number, 1 .. 4096, 64 unless given`."""
        if self.kind == "choice":
            words = "one of " + ", ".join(self.choices)
        else:
            words = _KINDS[self.kind] + _bounds(self.low, self.high)
        if self.kind == "model":
            return f"{words}, or its weights as numbers" if self.many else words
        if self.default is REQUIRED:
            return words + ", several" * self.many
        if self.default is ABSENT:
            return f"{words}, the stream's own unless given"
        return f"{words}, {_default(self)} unless given"


class Kernel(NamedTuple):
    """One kernel of the catalogue."""

    name: str
    code: int
    group: str
    params: tuple[Param, ...]
    doc: str
    units: str
    error: str
    special: str
    ops: float
    vector: bool = False  # gives a list a window
    joint: bool = False  # a reducer of whole rows
    source: str = ""  # who describes the algorithm
    extreme: str = ""  # what the largest and smallest inputs give
    empty: str = ""  # what a reducer gives of no values

    @property
    def of_nothing(self) -> str:
        """What it gives where nothing comes in."""
        return self.empty or _OF_NOTHING.get(self.group, "no rows")

    @property
    def signature(self) -> str:
        """How it is written in a plan: `histogram LOW HIGH bins=64`."""
        positional = [_shown(p) for p in self.params if not p.keyword]
        keyword = [f"{p.name}={_default(p)}" for p in self.params if p.keyword]
        return " ".join([self.name, *positional, *keyword])

    @property
    def model(self) -> Param | None:
        """The parameter that holds a model, if it has one."""
        return next((p for p in self.params if p.kind == "model"), None)

    @property
    def merge_error(self) -> str:
        """What merging partials adds to the error: nothing, for every kernel."""
        return "0 (exact)" if self.group == "reducer" else "-"


def _shown(param: Param) -> str:
    if param.kind == "choice":
        shown = "|".join(param.choices)
    elif param.kind == "model":
        return f"{param.name.upper()}...|@NAME" if param.many else "@NAME"
    else:
        shown = param.name.upper() + ("..." if param.many else "")
    return shown if param.default is REQUIRED else f"[{shown}]"


def _bounds(low: float, high: float) -> str:
    """The bounds of a range that has any."""
    if low == float("-inf") and high == float("inf"):
        return ""
    if high == float("inf"):
        return f", at least {low:,.10g}"
    return f", {low:,.10g} .. {high:,.10g}"


def _default(param: Param) -> str:
    if isinstance(param.default, str):
        return param.default[1:].upper()
    if param.kind == "choice" and isinstance(param.default, int):
        return param.choices[param.default]
    return f"{param.default:g}" if isinstance(param.default, float) else f"{param.default}"
