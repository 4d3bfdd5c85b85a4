"""Plan text to operations: `window 1024 hop=512 | mean, rms | quantiles 0.5 0.99`.

    plan    = step { "|" step }
    step    = call { "," call }
    call    = name { argument }
    argument = value | name "=" value

Steps must fit: channels -> samples -> window -> frame -> spectrum -> features -> rows -> reducers.
Every error shows the text with a caret under what is wrong. The text is bounded before it is read.
"""

from collections.abc import Mapping
from math import gcd
from typing import NamedTuple

from atoll.kernels import model_text, users
from atoll.kernels.columns import columns, takes, width
from atoll.kernels.errors import PlanError
from atoll.kernels.kernel import ABSENT, REQUIRED, Kernel, Param
from atoll.kernels.models import COLUMNS_MAX, Model
from atoll.kernels.numbers import f32_bits, f32_value
from atoll.kernels.registry import BY_NAME, PART_UNIT

TEXT_MAX = 4096  # characters: some hundred calls, more than OPS_MAX can hold
OPS_MAX = 32  # as the portable part
BRANCHES_MAX = 64

_GROUPS = ("stream", "sample", "window", "frame", "spectrum", "feature", "row", "reducer")
# Features of a spectrum have these codes and above; the others are of a window.
SPECTRAL_CODE = 64
FFT_MIN, FFT_MAX = 16, 65536
DECIMATE_MAX = 4096  # of all decimations together
UP_MAX = 64  # samples that resample makes of one: they must fit in a chunk (parts/samples.pxi)
VECTOR_MAX = 65536  # numbers of a row that merge averages (parts/vectors.pxi)


class Token(NamedTuple):
    """A word of the text and where it starts."""

    text: str
    at: int


class Call(NamedTuple):
    """One kernel as written."""

    name: Token
    arguments: tuple[Token, ...]


class Op(NamedTuple):
    """One operation: the kernel and its argument words, and where it was written."""

    kernel: Kernel
    words: tuple[int, ...]
    at: int = 0


def parse(text: str, models: Mapping[str, Model] | None = None) -> tuple[Op, ...]:
    """Operations of a plan, checked against the catalogue and against each other.

    models: those that the text names by `@NAME`.
    """
    if len(text) > TEXT_MAX:
        raise PlanError(f"the plan has {len(text)} characters, at most {TEXT_MAX} are read")
    if not text.strip():
        raise PlanError('the plan is empty; for example "window 1024 | rms | quantiles 0.5 0.99"')
    ops: list[Op] = []
    for step in _split(text):
        resolved = [_resolve(text, call, models or {}) for call in step]
        if len(step) > 1:
            _check_list(text, resolved)
        _check_step(text, ops, resolved[0])
        ops += resolved
    check_order(text, ops)
    return tuple(ops)


def _split(text: str) -> list[list[Call]]:
    """Steps of calls of tokens, with their places."""
    steps: list[list[Call]] = []
    at = 0
    for part in text.split("|"):
        calls = []
        for piece in part.split(","):
            tokens = _tokens(piece, at)
            if not tokens:
                raise PlanError("a kernel's name is missing here", text, min(at, len(text)))
            calls.append(Call(tokens[0], tuple(tokens[1:])))
            at += len(piece) + 1
        steps.append(calls)
    return steps


def _tokens(piece: str, base: int) -> list[Token]:
    tokens = []
    at = 0
    for word in piece.split():
        at = piece.index(word, at)
        tokens.append(Token(word, base + at))
        at += len(word)
    return tokens


def _resolve(text: str, call: Call, models: Mapping[str, Model]) -> Op:
    kernel = BY_NAME.get(call.name.text) or users.find(call.name.text)
    if kernel is None:
        raise _fault(
            f"no kernel is called {call.name.text!r}{_hint(call.name.text)}", text, call.name
        )
    given: dict[str, list[tuple[Token, str]]] = {}
    positional = [param for param in kernel.params if not param.keyword]
    for token in call.arguments:
        name, equals, value = token.text.partition("=")
        if equals:
            param = _param(text, kernel, token, name)
        elif positional:
            param, value = positional[0], token.text
            if not param.many:
                positional.pop(0)
        else:
            raise _fault(f"{kernel.name} takes no more arguments: {kernel.signature}", text, token)
        if param.name in given and not param.many:
            raise _fault(f"{kernel.name}: {param.name} is given twice", text, token)
        given.setdefault(param.name, []).append((token, value))
    if kernel.model:
        model = model_text.read(text, call, given, models)
        give = [_choice(text, call, kernel, given)] if model_text.head(kernel) else []
        return Op(kernel, (*give, *model.words), call.name.at)
    return Op(kernel, _words(text, call, kernel, given), call.name.at)


def _choice(
    text: str, call: Call, kernel: Kernel, given: dict[str, list[tuple[Token, str]]]
) -> int:
    """The word of `give`."""
    if "give" not in given:
        return 0
    token, value = given["give"][0]
    return _value(text, kernel, _param(text, kernel, token, "give"), token, value)


def _param(text: str, kernel: Kernel, token: Token, name: str) -> Param:
    for param in kernel.params:
        if param.name == name:
            return param
    names = [param.name for param in kernel.params]
    raise _fault(
        f"{kernel.name} has no option {name!r}{_hint(name, names)}: {kernel.signature}", text, token
    )


def _words(
    text: str, call: Call, kernel: Kernel, given: dict[str, list[tuple[Token, str]]]
) -> tuple[int, ...]:
    words: list[int] = []
    by_name: dict[str, int] = {}
    for param in kernel.params:
        values = given.get(param.name)
        if values:
            found = [_value(text, kernel, param, token, value) for token, value in values]
            if len(set(found)) != len(found) and not param.repeats:
                raise _fault(f"{kernel.name}: {param.name} is given twice", text, values[-1][0])
        elif param.default is ABSENT and not given:
            return ()
        elif param.default in (REQUIRED, ABSENT):
            raise _fault(f"{kernel.name} needs {param.name}: {kernel.signature}", text, call.name)
        else:
            found = [default_word(param, by_name)]
        by_name[param.name] = found[0]
        words += found
    _check_together(text, call, kernel, words)
    return tuple(words)


def default_word(param: Param, by_name: dict[str, int]) -> int:
    """The word of a parameter that was left out; "=other" takes another parameter's."""
    default = param.default
    if isinstance(default, str):
        return by_name[default[1:]]
    if isinstance(default, float):
        return f32_bits(default)
    assert isinstance(default, int)
    return default


def _value(text: str, kernel: Kernel, param: Param, token: Token, value: str) -> int:
    """The word of a value as written, within the parameter's range."""
    if param.kind == "choice":
        if value not in param.choices:
            raise _fault(
                f"{kernel.name}: {value!r} is none of {', '.join(param.choices)}"
                f"{_hint(value, list(param.choices))}",
                text,
                token,
            )
        return param.choices.index(value)
    try:
        number = float(value)
    except ValueError:
        raise _fault(
            f"{kernel.name}: {param.name} must be a number, not {value!r}", text, token
        ) from None
    if not param.low <= number <= param.high or number in (float("inf"), float("-inf")):
        raise _fault(
            f"{kernel.name}: {param.name} must lie in "
            f"{param.low:,.10g} .. {param.high:,.10g}, not {value}",
            text,
            token,
        )
    if param.kind == "count":
        if number != int(number):
            raise _fault(
                f"{kernel.name}: {param.name} must be a whole number, not {value}", text, token
            )
        return int(number)
    if param.kind == "part":
        scaled = round(number * PART_UNIT)
        if abs(number * PART_UNIT - scaled) > 1e-6:
            raise _fault(f"{kernel.name}: {param.name} has at most 9 decimals", text, token)
        return scaled
    try:
        return f32_bits(number)
    except OverflowError:
        raise _fault(f"{kernel.name}: {value} is beyond the range of f32", text, token) from None


def _check_together(text: str, call: Call, kernel: Kernel, words: list[int]) -> None:
    """What single arguments cannot show."""
    if kernel.name == "resample":
        common = gcd(words[0], words[1])
        words[:2] = words[0] // common, words[1] // common
        if words[0] == words[1]:
            raise _fault("resample: up and down are equal, nothing would change", text, call.name)
        if words[0] > UP_MAX * words[1]:
            raise _fault(f"resample: at most {UP_MAX} samples are made of one", text, call.name)
    if kernel.name == "psd" and words[1] > words[0]:
        raise _fault("psd: hop must not be above the segment", text, call.name)
    if kernel.name == "median" and words[0] % 2 == 0:
        raise _fault("median: width must be odd", text, call.name)
    if kernel.name == "threshold" and f32_value(words[1]) > f32_value(words[0]):
        raise _fault("threshold: low must not be above high", text, call.name)
    if kernel.name in ("clip", "histogram"):
        low, high = f32_value(words[0]), f32_value(words[1])
        if low > high or (low == high and kernel.name == "histogram"):
            raise _fault(f"{kernel.name}: low must be below high", text, call.name)
        if kernel.name == "histogram" and not _histogram_fits(low, high, words[2]):
            raise _fault("histogram: the bins' width must be a normal f32", text, call.name)


def _decimation_fits(ops: "list[Op] | tuple[Op, ...]") -> bool:
    total = 1
    for op in ops:
        total *= op.words[0] if op.kernel.name == "decimate" else 1
        total *= op.words[1] if op.kernel.name == "resample" else 1
    return total <= DECIMATE_MAX


def _histogram_fits(low: float, high: float, bins: int) -> bool:
    span, limit = high - low, 3.4028234e38
    return span * bins < limit and bins / span < limit


def _check_list(text: str, ops: list[Op]) -> None:
    """Only features and reducers stand side by side, each once."""
    names = set()
    for op in ops:
        name = Token(op.kernel.name, op.at)
        if op.kernel.group not in ("feature", "reducer"):
            raise _fault(
                f"a comma joins features or reducers; {op.kernel.name} is neither", text, name
            )
        if op.kernel.group != ops[0].kernel.group:
            raise _fault(
                f"{op.kernel.name} and {ops[0].kernel.name} cannot share a list: one is "
                f"a {op.kernel.group}, the other a {ops[0].kernel.group}",
                text,
                name,
            )
        if op.kernel.name in names:
            raise _fault(f"{op.kernel.name} stands twice in one list", text, name)
        names.add(op.kernel.name)


def _check_step(text: str, before: list[Op], op: Op) -> None:
    """Features and reducers of one window stand in one list, not one after the other."""
    group = op.kernel.group
    if group in ("feature", "reducer") and before and before[-1].kernel.group == group:
        raise _fault(
            f"{op.kernel.name} cannot follow {before[-1].kernel.name}, which gives "
            f"{'numbers' if group == 'feature' else 'the result'}; a comma joins them: "
            f"{before[-1].kernel.name}, {op.kernel.name}",
            text,
            Token(op.kernel.name, op.at),
        )


def check_order(text: str, ops: "list[Op] | tuple[Op, ...]") -> None:
    """Each step takes what the one before gives; raises PlanError at the first that does not."""
    if len(ops) > OPS_MAX:
        raise PlanError(f"the plan has {len(ops)} kernels, at most {OPS_MAX} fit")
    last = "stream"
    for index, op in enumerate(ops):
        group = op.kernel.group
        reason = _misfit(op, last, list(ops[:index]))
        if reason:
            raise _fault(reason, text, Token(op.kernel.name, op.at))
        last = group
    if last not in ("feature", "reducer", "spectrum", "row"):
        raise _fault(
            f"the plan ends in {ops[-1].kernel.name}, which gives no result; end it in a "
            "feature of a window (rms) or in a reducer (moments)",
            text,
            Token(ops[-1].kernel.name, ops[-1].at),
        )
    if not _decimation_fits(ops):
        slow = [op for op in ops if op.kernel.name in ("decimate", "resample")]
        reason = f"all decimations together are beyond {DECIMATE_MAX}"
        raise _fault(reason, text, Token(slow[-1].kernel.name, slow[-1].at))
    reducers = [op for op in ops if op.kernel.group == "reducer"]
    wide = width(columns(ops))
    if reducers and not reducers[0].kernel.joint and wide * len(reducers) > BRANCHES_MAX:
        reason = f"{wide} columns by {len(reducers)} reducers are more than {BRANCHES_MAX}"
        raise _fault(reason, text, Token(reducers[0].kernel.name, reducers[0].at))


def _misfit(op: Op, last: str, before: list[Op]) -> str:
    """Why `op` cannot follow a step of group `last`; empty where it can."""
    name, group = op.kernel.name, op.kernel.group
    if _GROUPS.index(group) < _GROUPS.index(last):
        if last == "reducer":
            return f"{name} cannot follow a reducer: {before[-1].kernel.name} ends the plan"
        return f"{name} takes {_takes(group)} and must stand before {before[-1].kernel.name}"
    if group == "stream" and before:
        return f"{name} stands once, at the start of a plan"
    if group == "window" and last == "window":
        return "a plan has one window"
    if group in ("frame", "spectrum", "feature") and last in ("stream", "sample"):
        return f"{name} needs a window before it, as in: window 1024 | {name}"
    if name == "resample" and any(o.kernel.name == name for o in before):
        return "a plan has one resample; several ratios multiply to one"
    if group == "spectrum":
        return _spectrum_misfit(op, before)
    if group == "feature":
        return _feature_misfit(op, before)
    if group == "row" or op.kernel.joint:
        return _row_misfit(op, before)
    if group == "reducer" and last in ("window", "frame", "spectrum"):
        return (
            f"{name} reduces numbers, not {'spectra' if last == 'spectrum' else 'windows'}: put a "
            f"feature between ({'band' if last == 'spectrum' else 'rms'})"
        )
    if group == "reducer":
        return _reducer_misfit(name, before)
    return ""


def _spectrum_misfit(op: Op, before: list[Op]) -> str:
    name = op.kernel.name
    window = next(o.words[0] for o in before if o.kernel.group == "window")
    spectra = [o.kernel.name for o in before if o.kernel.group == "spectrum"]
    if spectra:
        return f"a plan has one spectrum, and {spectra[0]} is one"
    length = op.words[0] if name == "psd" else window
    if not FFT_MIN <= length <= FFT_MAX or length & (length - 1):
        what = "segments" if name == "psd" else "windows"
        return f"{name} takes {what} of {FFT_MIN} to {FFT_MAX}, a power of two, not {length}"
    if length > window:
        return f"psd: a segment of {length} does not lie within the window of {window}"
    return ""


def _feature_misfit(op: Op, before: list[Op]) -> str:
    name = op.kernel.name
    spectral = any(o.kernel.group == "spectrum" for o in before)
    length = next(o.words[0] for o in before if o.kernel.group == "window")
    if name == "autocorr" and op.words[0] >= length:
        return f"autocorr: the lag of {op.words[0]} does not lie within the window of {length}"
    if op.kernel.code >= SPECTRAL_CODE and not spectral:
        return f"{name} reads a spectrum, as in: window 1024 | spectrum | {name}"
    if op.kernel.code < SPECTRAL_CODE and spectral:
        return (
            f"{name} is a feature of a window; after a spectrum there are lines, band, centroid, "
            "entropy, peaks, mel"
        )
    return ""


def _row_misfit(op: Op, before: list[Op]) -> str:
    """Whether a row stage or joint reducer takes the row before it."""
    name, row = op.kernel.name, columns(before)
    wide = width(row)
    shown = ", ".join(part for column in row for part in column.names[:4])
    what = f"{wide} ({shown}{', ...' if wide > 4 else ''})"
    wanted = takes(op)
    if wanted is not None and wanted != wide:
        return f"the model of {name} takes {wanted} columns, there are {what}"
    if name == "gram" and wide > COLUMNS_MAX:
        return f"gram takes at most {COLUMNS_MAX} columns, there are {what}"
    if name == "gram" and op.words[0] > wide:
        return f"gram: fit={op.words[0]} names no column, there are {what}"
    if name == "merge" and not op.words[1] < wide <= VECTOR_MAX:
        return f"merge takes rows of up to {VECTOR_MAX} numbers, there are {what}"
    others = [o.kernel for o in before if o.kernel.group == "reducer" and not o.kernel.joint]
    if others:
        return f"{name} takes whole rows and {others[0].name} single columns: use two plans"
    return ""


def _reducer_misfit(name: str, before: list[Op]) -> str:
    if any(op.kernel.joint for op in before):
        return f"{name} takes single columns and {before[-1].kernel.name} whole rows: use two plans"
    return ""


def _takes(group: str) -> str:
    return {
        "stream": "the stream",
        "sample": "samples",
        "window": "samples",
        "spectrum": "a window",
        "frame": "a window",
        "feature": "a window",
        "row": "rows",
    }.get(group, "numbers")


def _fault(reason: str, text: str, token: Token) -> PlanError:
    return PlanError(reason, text, token.at, len(token.text))


def _hint(name: str, known: list[str] | None = None) -> str:
    """` (did you mean ...?)` where a known name is near."""
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), BY_NAME if known is None else known, 3)
    # Fingers swap letters more often than they choose others: rsm is rms before it is sum.
    near.sort(key=lambda kernel: sorted(kernel) != sorted(name.lower()))
    return f" (did you mean {near[0]!r}?)" if near else ""
