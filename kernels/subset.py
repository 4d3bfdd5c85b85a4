"""The source of some kernels alone: `portable.py --only` compiles what this leaves.

The parts test an operation's code against names (`op.code == OP_FIR`), its group against names
(`group == GROUP_ROWS`), or ask small predicates of the code (`op_watches(op.code)`). Where no
kernel that is wanted can make such a test true, it becomes False before Cython reads it; Cython
drops the branch, and what nothing calls any more is left out. Counters of a group that no wanted
kernel is in become 0 likewise, and without `channels` a stream has one.

A program that names another kernel is refused as every bad program is: `op_present` says which
codes there are.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MappingProxyType

from atoll.kernels.errors import KernelError
from atoll.kernels.registry import catalogue
from atoll.kernels.users import CODES

PARTS = Path(__file__).parent / "parts"

# Group of the catalogue -> group of the parts, and what the plan's header counts of it.
_GROUPS = {
    "stream": "GROUP_STREAM",
    "sample": "GROUP_SAMPLES",
    "window": "GROUP_WINDOW",
    "frame": "GROUP_FRAMES",
    "spectrum": "GROUP_SPECTRUM",
    "feature": "GROUP_FEATURES",
    "row": "GROUP_ROWS",
    "reducer": "GROUP_REDUCERS",
}
_COUNTERS = {
    "stages": ("sample",),
    "frames": ("frame", "spectrum"),
    "spectral": ("spectrum",),
    "features": ("feature",),
    "rowers": ("row",),
    "window": ("window",),
}

_CODE = re.compile(r"^ +(OP_\w+) = (\d+)", re.MULTILINE)
_PREDICATE = re.compile(
    r"^cdef (?:inline )?bint (\w+)\(uint32_t code\) noexcept nogil:\n"
    r"(?:    \"\"\".*?\"\"\"\n)?    return ([^\n]+(?:\n {8,}[^\n]+)*)\n",
    re.MULTILINE | re.DOTALL,
)
_FUNCTION = re.compile(
    r"^cdef (?:inline )?[\w ]+?\*? ?\b(\w+)\([^)]*\) noexcept nogil:\n(?:    .*\n|\n(?= |\n+ ))+",
    re.MULTILINE,
)
_NEEDS = re.compile(r"& (NEED_\w+|\((?:NEED_\w+(?: \| )?)+\))")
_NO_ROUNDS = re.compile(r" +for \w+ in range\((?:0|(.*), <uint32_t>\(\1 \+ 0\))\):$")
_PRESENT = "    return True  # portable.py --only: the kernels of this build"


def wanted_kernels(names: Iterable[str]) -> frozenset[str]:
    """These names, checked against the catalogue."""
    known, wanted = {kernel.name for kernel in catalogue()}, frozenset(names)
    for name in sorted(wanted - known):
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=1)
        raise KernelError(f"no kernel {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return wanted


class Cut:
    """What is known of a set of kernels, and the parts' text reduced to them."""

    def __init__(self, names: Iterable[str], users: frozenset[str] = frozenset()) -> None:
        """names: kernels of the catalogue; users: kinds of users' kernels beside them."""
        self.names = wanted_kernels(names)
        kept = [kernel for kernel in catalogue() if kernel.name in self.names]
        self._codes = {kernel.code for kernel in kept} | {CODES[kind] for kind in users}
        self._groups = {kernel.group for kernel in kept} | users
        self._joint = any(kernel.joint for kernel in kept)
        text = "".join(path.read_text() for path in sorted(PARTS.glob("*.pxi")))
        self._values = {name: int(value) for name, value in _CODE.findall(text)}
        self._absent = [m[1] for m in _PREDICATE.finditer(text) if not self._possible(m[2])]
        self._needs = self._needed(pruned(self._reduce(text)))

    def _needed(self, text: str) -> set[str]:
        """What features, and the calls that are left, ask of a window's statistics."""
        functions = {m[1]: m[0] for m in _FUNCTION.finditer(text)}
        reached, ahead = {"window_features"}, ["window_features"]
        while ahead:
            names = set(re.findall(r"\b(\w+)\(", functions[ahead.pop()]))
            fresh = names & functions.keys() - reached
            reached |= fresh
            ahead += fresh
        asked = [functions["op_need"]]
        for name in reached:
            asked += re.findall(r"stats_take\([^()]*\)", functions[name])
        return set(re.findall(r"NEED_\w+", "".join(asked)))

    def _possible(self, condition: str) -> bool:
        """Whether a predicate's condition can hold for a code that is wanted."""
        if re.search(r"[^\w\s<>=()]|\b(?!code\b|and\b|or\b|not\b|True\b|False\b)[a-z]", condition):
            return True  # it asks other predicates
        known = MappingProxyType({**self._values, "__builtins__": {}})
        return any(eval(condition, dict(known), {"code": code}) for code in self._codes)

    def reduce(self, text: str) -> str:
        """The text of a part without what only other kernels need."""
        return pruned(_NEEDS.sub(self._need_test, self._reduce(text)))

    def _reduce(self, text: str) -> str:
        text = re.sub(r"(?<![\w.])[\w.\[\]]+ (==|!=) (OP_\w+)\b", self._code_test, text)
        text = re.sub(r"\bgroup (==|!=) (GROUP_\w+)\b", self._group_test, text)
        for name in self._absent:
            text = replace_calls(text, name, lambda _: "False")
        for counter, groups in _COUNTERS.items():
            if not self._groups.intersection(groups):
                text = _constant(text, counter, "0")
        if not self._joint:
            text = _constant(text, "joint", "0")
        if "resample" not in self.names:
            text = text.replace("p.up > 1", "False").replace("p.up == 1", "True")
            text = _constant(text, "up", "<uint32_t>1")
        if not self.names & {"resample", "decimate"}:
            text = _constant(text, "decimation", "<uint32_t>1")
        if "stream" not in self._groups:
            text = text.replace("p.channels == 1", "True").replace("p.channels > 1", "False")
            text = _constant(text, "channels", "<uint32_t>1")
            text = _constant(text, "channel", "0")
        return text.replace(_PRESENT, f"    return {self._present()}")

    def _present(self) -> str:
        """A condition on `code`: one of those wanted, in runs."""
        runs: list[list[int]] = []
        for code in sorted(self._codes):
            if runs and runs[-1][1] == code - 1:
                runs[-1][1] = code
            else:
                runs.append([code, code])
        tests = [f"code == {a}" if a == b else f"{a} <= code <= {b}" for a, b in runs]
        return "(" + "\n            or ".join(tests) + ")"

    def _code_test(self, found: re.Match[str]) -> str:
        code = self._values.get(found[2])
        if code is None or code in self._codes:
            return found[0]
        return "False" if found[1] == "==" else "True"

    def _need_test(self, found: re.Match[str]) -> str:
        if self._needs.intersection(re.findall(r"NEED_\w+", found[1])):
            return found[0]
        return "& 0"

    def _group_test(self, found: re.Match[str]) -> str:
        if found[2] in {_GROUPS[group] for group in self._groups}:
            return found[0]
        return "False" if found[1] == "==" else "True"


def never(condition: str) -> bool:
    """Whether a condition is false whatever happens; only plain ones are looked into."""
    parts = [part.strip() for part in re.split(r" and | or ", condition)]
    false = [part in ("False", "0") or part.endswith(" & 0") for part in parts]
    if " or " in condition:
        return all(false)
    return any(false) and ("(" not in condition or len(parts) == 1 or false[-1])


def pruned(text: str) -> str:
    """The text without branches that never run."""
    out: list[str] = []
    gone, after = -1, False  # indentation of the branch that is left out; whether its chain goes on
    for line in text.split("\n"):
        depth, word = len(line) - len(line.lstrip()), line.strip()
        if gone >= 0 and (not word or depth > gone):
            continue
        heads = after and depth == gone
        if after and not (heads and word.startswith(("elif ", "else:"))):
            out.append(" " * gone + "pass")
        gone, after = -1, False
        if heads and word.startswith("elif "):
            line = line.replace("elif ", "if ", 1)
        elif heads and word == "else:":
            line = line.replace("else:", "if True:")
        found = re.match(r" +(if|elif) (.*):$", line)
        if (found and never(found[2])) or _NO_ROUNDS.match(line):
            gone, after = depth, found is None or found[1] == "if"
            continue
        out.append(line)
    return "\n".join(out)


def _constant(text: str, field: str, value: str) -> str:
    """Reads of a field of the plan's header as a constant; writes of it stay."""
    if value == "0":
        text = re.sub(rf"\bp\.{field} == 0", "True", text)
        text = re.sub(rf"\bp\.{field} (!=|>) 0", "False", text)
    return re.sub(rf"\bp\.{field}\b(?! = )", value, text)


def replace_calls(text: str, name: str, by: Callable[[str], str]) -> str:
    """Calls of a function, but not its definition, with what `by` makes of their arguments."""
    out, at = [], 0
    for found in re.finditer(rf"(?<!bint )\b{name}\(", text):
        if found.start() < at:
            continue
        end, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        out += [text[at : found.start()], by(text[found.end() : end - 1])]
        at = end
    return "".join(out) + text[at:]
