"""Operations to bytes and back: the canonical form, the normalised text, the program words.

Canonical form: CBOR (RFC 8949, 4.2) of arrays and unsigned integers only,

    [version, [code, word, ...], ...]

one array an operation, in the order of the plan; floats are their bits. The plan's id is the
SHA-256 of it. Program words are what parts/program.pxi lays out and runs; they name a dtype, and
are made anew for each (dtype, rate).
"""

from struct import pack
from typing import NamedTuple

from atoll.kernels import model_text, users
from atoll.kernels.design import Context, behind, lowered
from atoll.kernels.errors import PlanError
from atoll.kernels.grammar import OPS_MAX, Op, default_word, parse
from atoll.kernels.kernel import ABSENT, REQUIRED, Kernel, Param
from atoll.kernels.numbers import f32_text, part_text
from atoll.kernels.registry import BY_CODE

CANONICAL_VERSION = 1
CANONICAL_MAX = 32768  # bytes; the words of a program (PROGRAM_WORDS_MAX) take no more
WORDS_MAX = 8192
PROGRAM_VERSION = 1

DTYPES = {"i16": 1, "i32": 2, "f32": 3}


def canonical(ops: tuple[Op, ...]) -> bytes:
    """The plan's one form; two plans are the same where these bytes are."""
    from cbor2 import dumps

    return dumps([CANONICAL_VERSION, *([op.kernel.code, *op.words] for op in ops)], canonical=True)


def from_canonical(data: bytes) -> tuple[Op, ...]:
    """Operations of a canonical form; anything else, from the wire or a file, is refused."""
    if len(data) > CANONICAL_MAX:
        raise PlanError(f"the canonical form has {len(data)} bytes, at most {CANONICAL_MAX} fit")
    value, end = _read(data, 0, 0)
    if end != len(data) or not isinstance(value, list) or value[:1] != [CANONICAL_VERSION]:
        raise PlanError("not the canonical form of a plan of this version")
    ops: list[Op] = []
    for item in value[1:]:
        kernel = None
        if isinstance(item, list) and item and isinstance(item[0], int):
            kernel = BY_CODE.get(item[0]) or users.of_operation(item[0], item[1:])
        if kernel is None:
            raise PlanError(f"no kernel has the code of operation {len(ops)} of the canonical form")
        ops.append(Op(kernel, tuple(item[1:])))
    # Reading the normalised text back checks every argument by the rules of the grammar.
    text = normalised(tuple(ops))
    parsed = parse(text, model_text.models_of(tuple(ops)))
    if canonical(parsed) != data:
        raise PlanError(f"not canonical: the plan it says is {text!r}")
    return parsed


def _read(data: bytes, at: int, depth: int) -> tuple[object, int]:
    """One item: an unsigned integer or an array, definite and shortest, at most two deep."""
    if at >= len(data):
        raise PlanError("the canonical form is cut off")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        value = info
    elif info < 27 and at + (size := 1 << (info - 24)) <= len(data):
        value = int.from_bytes(data[at : at + size], "big")
        at += size
        if value < 24 or (size > 1 and value >> (4 * size) == 0):
            raise PlanError("the canonical form holds an integer that is not in its shortest form")
    else:
        raise PlanError("the canonical form is cut off or holds what no plan has")
    if major == 0:
        return value, at
    if major != 4 or depth > 1 or value > len(data) - at:
        raise PlanError("the canonical form holds what no plan has")
    items = []
    for _ in range(value):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return items, at


def normalised(ops: tuple[Op, ...]) -> str:
    """The plan's text with one blank between words and without defaults."""
    steps: list[str] = []
    groups: list[str] = []
    for op in ops:
        joined = op.kernel.group in ("feature", "reducer") and groups[-1:] == [op.kernel.group]
        if joined:
            steps[-1] += ", " + _written(op)
        else:
            steps.append(_written(op))
            groups.append(op.kernel.group)
    return " | ".join(steps)


def _written(op: Op) -> str:
    positional: list[str] = [op.kernel.name]
    keyword: list[str] = []
    by_name: dict[str, int] = {}
    words = list(op.words)
    if op.kernel.model:
        positional += model_text.write(op)
        if model_text.head(op.kernel) and words[0] != 0:
            keyword = [f"give={_word_text(op.kernel, op.kernel.params[0], words[0])}"]
        return " ".join(positional + keyword)
    for param in op.kernel.params:
        taken = words if param.many else words[:1]
        if not taken and param.default is ABSENT:
            break
        if not taken:
            raise PlanError(f"{op.kernel.name} lacks {param.name}: {op.kernel.signature}")
        words = words[len(taken) :]
        by_name[param.name] = taken[0]
        if param.default not in (REQUIRED, ABSENT) and taken == [default_word(param, by_name)]:
            continue
        shown = [_word_text(op.kernel, param, word) for word in taken]
        if param.keyword:
            keyword += [f"{param.name}={text}" for text in shown]
        else:
            positional += shown
    if words:
        raise PlanError(f"{op.kernel.name} has arguments too many: {op.kernel.signature}")
    return " ".join(positional + keyword)


def _word_text(kernel: Kernel, param: Param, word: object) -> str:
    if not isinstance(word, int):
        raise PlanError(f"{kernel.name}: {param.name} is not an integer in the canonical form")
    if param.kind == "number":
        return f32_text(word)
    if param.kind == "part":
        return part_text(word)
    if param.kind == "choice":
        if word >= len(param.choices):
            raise PlanError(f"{kernel.name}: {param.name} has no choice {word}")
        return param.choices[word]
    return str(word)


class Stream(NamedTuple):
    """What a program is made for: dtype, rate in Hz and scale of the stream."""

    dtype: str
    rate: float | None = None
    scale: float | None = None


def program(ops: tuple[Op, ...], plan_id: bytes, stream: Stream, source: str) -> bytes:
    """Words for the interpreter, little-endian; without a rate, of the same layout only.

    `source` is the text as written, which errors of the design show.
    """
    words = [PROGRAM_VERSION, DTYPES[stream.dtype]]
    words += [int.from_bytes(plan_id[k : k + 4], "little") for k in (0, 4)]
    words.append(len(ops))
    window = next((op.words[0] for op in ops if op.kernel.group == "window"), 1)
    context = Context(stream.rate, window, stream.scale)
    for op in ops:
        try:
            arguments = lowered(op, context)
        except PlanError as error:
            raise PlanError(error.reason, source, op.at, len(op.kernel.name)) from None
        words += [op.kernel.code, len(arguments), *arguments]
        context = behind(op, context)
    if len(words) > WORDS_MAX or len(ops) > OPS_MAX:
        raise PlanError(f"the plan needs {len(words)} words, at most {WORDS_MAX} fit")
    return pack(f"<{len(words)}I", *words)
