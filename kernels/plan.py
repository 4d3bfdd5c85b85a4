"""A plan: text in, partial bytes per piece of a stream, one result after any merge.

    plan = Plan("window 1024 | rms | quantiles 0.5 0.99")
    plan.run(samples, rate=12000)

`partial` runs over one piece, `merge` adds partials exactly (associative and commutative, byte
for byte), `finish` turns the sum into numbers. A device runs `partial` where the samples lie; a
gateway merges. Nothing here needs numpy.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from atoll.kernels._native import Machine, state_size
from atoll.kernels.errors import KernelError, PlanError
from atoll.kernels.finish import FINISHERS, NoStates, States, Value
from atoll.kernels.grammar import Op, parse
from atoll.kernels.program import DTYPES, canonical, from_canonical, normalised, program
from atoll.kernels.rows import KEY_MAX, Run, decode, encode, table
from atoll.kernels.samples import view

# Kernels that remember without end; pieces of them run in order from a checkpoint.
_RUNNING: frozenset[str] = frozenset()

# Where a partial names its dtype, and where its states begin (parts/interpreter.pxi).
DTYPE_AT = 12
STATES_AT = 13


class Cost(NamedTuple):
    """What a plan takes: state bytes (its window included), code bytes, operations a sample."""

    ram_bytes: int
    flash_bytes: int
    ops_per_sample: float


class Plan:
    """A checked pipeline of kernels; immutable."""

    def __init__(self, text: str) -> None:
        self._set(parse(text))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Plan":
        """The plan of a canonical form; PlanError where it is none."""
        plan = cls.__new__(cls)
        plan._set(from_canonical(data))
        return plan

    def _set(self, ops: tuple[Op, ...]) -> None:
        self._ops = ops
        self._features = [op for op in ops if op.kernel.group == "feature"]
        self._reducers = [op for op in ops if op.kernel.group == "reducer"]
        self._programs: dict[str, bytes] = {}
        windows = [op.words for op in ops if op.kernel.group == "window"]
        self.window, self.step = windows[0] if windows else (1, 1)
        self._halo = sum(op.kernel.halo for op in ops)
        self.overlap = max(0, self.window - self.step + self._halo)
        self.rows = not self._reducers
        self.kernels = tuple(dict.fromkeys(op.kernel.name for op in ops))
        self.ordered = not _RUNNING.isdisjoint(self.kernels)
        self.text = normalised(ops)

    @cached_property
    def canonical(self) -> bytes:
        """Canonical CBOR of the plan, without the rate."""
        return canonical(self._ops)

    @cached_property
    def id(self) -> bytes:
        """SHA-256 of the canonical form."""
        from hashlib import sha256

        return sha256(self.canonical).digest()

    def __repr__(self) -> str:
        return f"Plan({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and other.canonical == self.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def cost(self, board: str | None = None, dtype: str = "f32") -> Cost:
        """RAM of the state for `dtype`, flash of the kernels used, operations a sample."""
        from atoll.kernels.cost import flash_bytes, ops_per_sample

        ram = state_size(self._program(dtype))
        return Cost(ram, flash_bytes(self.kernels, board), ops_per_sample(self._ops, self.step))

    def check(self, dtype: str, rate: float | None = None) -> None:
        """Raise PlanError where the plan cannot run on streams of this dtype and rate (Hz)."""
        if dtype not in DTYPES:
            raise PlanError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
        if rate is not None and not 0 < rate < float("inf"):
            raise PlanError(f"rate must be a positive number of Hz, not {rate!r}")

    def partial(
        self,
        samples: object,
        rate: float | None = None,
        *,
        start: int = 0,
        anchor: int = 0,
        key: str = "",
        dtype: str | None = None,
    ) -> bytes:
        """What the plan makes of one piece of a stream, ready to merge.

        samples: one channel of i16, i32 or f32; bytes need `dtype`. start: index in the stream of
        samples[0]; anchor: that of the first sample of the gap-free run; their difference is a
        multiple of `step`. Every window that lies whole inside the piece is computed; pieces that
        follow each other share `overlap` samples. key names the stream in rows and beside extremes.
        """
        seen, found, count = view(samples, dtype)
        self.check(found, rate)
        if start < 0 or (start - anchor) % self.step:
            raise KernelError(
                f"a piece may start at multiples of {self.step} samples from the first of its run, "
                f"not at {start - anchor}"
            )
        windows, used = self._extent(count)
        machine = self.machine(found)
        name = key.encode()
        if len(name) > KEY_MAX:
            raise KernelError(f"the key has {len(name)} bytes, at most {KEY_MAX} fit")
        machine.locate(start, name)
        data = machine.push(seen, 0, used, windows)
        if not self.rows:
            return machine.partial()
        return encode(self.id, [(name, start, windows, data)] if windows else [], self.step)

    def _extent(self, count: int) -> tuple[int, int]:
        """Windows that lie whole in `count` samples, and how many samples those take."""
        need = self.window + self._halo
        if count < need:
            return 0, 0
        if not self._features:
            return 0, count
        windows = (count - need) // self.step + 1
        return windows, (windows - 1) * self.step + need

    def words(self, dtype: str) -> bytes:
        """The interpreter's program for streams of `dtype`, as a microcontroller takes it."""
        return self._program(dtype)

    def machine(self, dtype: str) -> Machine:
        """A fresh interpreter state for streams of `dtype`."""
        return Machine(self._program(dtype))

    def merge(self, partials: Iterable[bytes]) -> bytes:
        """The partial of all pieces together; of none, the empty partial."""
        given = list(partials)
        if self.rows:
            return encode(self.id, [run for p in given for run in self._runs(p)], self.step)
        dtype = next(filter(None, map(partial_dtype, given)), "i16")
        machine = self.machine(dtype)
        for partial in given:
            machine.absorb(partial)
        return machine.partial()

    def finish(self, partial: bytes) -> dict[str, Value]:
        """Numbers of a partial, nested by stage: {"rms": {"quantiles": {...}}}."""
        checked = self.merge([partial])
        if self.rows:
            columns = table(self._runs(checked), [1] * len(self._features))
            return {op.kernel.name: c for op, c in zip(self._features, columns, strict=True)}
        dtype = partial_dtype(checked)
        states = NoStates() if dtype is None else States(checked, STATES_AT)
        states.count()
        value = self._value_dtype(dtype or "f32")
        if not self._features:
            return self._branch(states, value)
        return {op.kernel.name: self._branch(states, value) for op in self._features}

    def run(self, samples: object, rate: float | None = None) -> dict[str, Value]:
        """The result over one array, or over a mapping of key to array (each its own stream)."""
        if isinstance(samples, Mapping):
            pieces = [self.partial(samples[key], rate, key=key) for key in sorted(samples)]
            return self.finish(self.merge(pieces))
        return self.finish(self.partial(samples, rate))

    def run_by_key(
        self, streams: Mapping[str, object], rate: float | None = None
    ) -> dict[str, dict[str, Value]]:
        """A result for each stream of a mapping."""
        return {
            key: self.finish(self.partial(streams[key], rate, key=key)) for key in sorted(streams)
        }

    def _runs(self, partial: bytes) -> list[Run]:
        return decode(self.id, partial, len(self._features))

    def _branch(self, states: States, dtype: int) -> dict[str, Value]:
        return {
            op.kernel.name: FINISHERS[op.kernel.code](states, op, dtype) for op in self._reducers
        }

    def _value_dtype(self, dtype: str) -> int:
        """dtype code of what the reducers take from streams of `dtype`."""
        if self._features or "scale" in self.kernels:
            return DTYPES["f32"]
        widened = dtype == "i16" and self._ops[0].kernel.group == "sample"
        return DTYPES["i32" if widened else dtype]

    def _program(self, dtype: str) -> bytes:
        words = self._programs.get(dtype)
        if words is None:
            words = self._programs[dtype] = program(self._ops, self.id, dtype)
        return words


def partial_dtype(partial: bytes) -> str | None:
    """The dtype a partial names; None for the empty one and for what is no partial."""
    if len(partial) <= DTYPE_AT or not 1 <= partial[DTYPE_AT] <= len(DTYPES):
        return None
    return tuple(DTYPES)[partial[DTYPE_AT] - 1]
