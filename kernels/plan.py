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

from atoll.kernels.builds import Machine, memory_sizes, state_size
from atoll.kernels.columns import Column, channels_of, columns, width
from atoll.kernels.design import KINDS
from atoll.kernels.digest import sha256
from atoll.kernels.errors import KernelError, PlanError
from atoll.kernels.finish import FINISHERS, NoStates, States, Value
from atoll.kernels.fits import JOINT_FINISHERS
from atoll.kernels.geometry import FIR_GIVEN, geometry
from atoll.kernels.grammar import Op, parse
from atoll.kernels.model_text import models_of
from atoll.kernels.models import Model
from atoll.kernels.program import (
    DTYPES,
    Stream,
    canonical,
    from_canonical,
    normalised,
    program,
)
from atoll.kernels.rows import KEY_MAX, Run, decode, encode, table
from atoll.kernels.samples import view
from atoll.kernels.users import CODES as USERS

# Where a partial names its dtype, and where its states begin (parts/interpreter.pxi).
DTYPE_AT = 12
STATES_AT = 13

# Kernels whose words depend on the sampling rate; an envelope's do where it has a cut-off.
RATED = frozenset({"goertzel", "slope", "psd", "lines", "band", "centroid", "peaks", "mel"})
# Kernels that remember without end; an envelope does where it has a cut-off.
RUNNING = frozenset({"biquad", "ema", "threshold", "ewma", "cusum", "novelty"})
# Sample stages that give floats of whatever they take.
FLOATING = frozenset({"scale", "biquad", "envelope", "ema", "fir", "resample"})
# Programs kept, by dtype and rate: a device sees few rates, a fleet's gateway perhaps dozens.
PROGRAMS_MAX = 64


class Cost(NamedTuple):
    """What a plan takes: state bytes (its window included), code bytes, operations a sample."""

    ram_bytes: int
    flash_bytes: int
    ops_per_sample: float


class Piece(NamedTuple):
    """Where a piece lies in its stream."""

    start: int
    anchor: int
    key: str
    dtype: str | None
    scale: float | None
    checkpoint: bytes
    onward: bool  # whether another piece goes on from this one


def is_running(op: Op) -> bool:
    """Whether the stage remembers without end, so that pieces of a stream run in order."""
    name = op.kernel.name
    return name in RUNNING or (name == "envelope" and op.words[0] != 0)


def is_rated(op: Op) -> bool:
    """Whether the words of the operation depend on the sampling rate."""
    name = op.kernel.name
    if name == "fir":
        return op.words[0] != FIR_GIVEN
    if name == "biquad":
        return KINDS[op.words[0]] != "sections"
    return name in RATED or (name == "envelope" and op.words[0] != 0)


class Plan:
    """A checked pipeline of kernels; immutable."""

    def __init__(self, text: str, models: Mapping[str, Model] | None = None) -> None:
        """models: those that the text names by `@NAME` (atoll.kernels.models, importers)."""
        self._set(parse(text, models), text)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Plan":
        """The plan of a canonical form; PlanError where it is none."""
        plan = cls.__new__(cls)
        ops = from_canonical(data)
        plan._set(ops, normalised(ops))
        return plan

    def _set(self, ops: tuple[Op, ...], source: str) -> None:
        self._ops = ops
        self._source = source
        self._features = [op for op in ops if op.kernel.group == "feature"]
        self._reducers = [op for op in ops if op.kernel.group == "reducer"]
        self._programs: dict[tuple[str, float | None, float | None], bytes] = {}
        self._lies = geometry(ops)
        self.need = self._lies.need
        self.window_given = any(op.kernel.group == "window" for op in ops)
        self.window, self.step = self._lies.window, self._lies.step
        self.rows = not self._reducers
        self.kernels = tuple(dict.fromkeys(op.kernel.name for op in ops))
        self.ordered = any(map(is_running, ops))
        self.overlap = max(0, self._lies.span - self.step)
        if self.ordered and not self.window_given:
            self.overlap = 0  # what the stages hold is in the checkpoint
        self.rated = any(is_rated(op) for op in ops)
        self.scaled = any(op.kernel.name == "scale" and not op.words for op in ops)
        self.text = normalised(ops)
        self.channels = channels_of(ops)
        self.models = models_of(ops)
        if self.rows and self.ordered and not self.window_given and self._lies.ratio[1] > 1:
            raise PlanError(
                f"{self.text!r} makes more samples than there are and gives each as a row: cut "
                "them into windows, or end in a reducer"
            )
        self._columns = columns(ops)
        self._rowed = any(op.kernel.group == "row" or op.kernel.joint for op in ops)
        words = self._program("f32")  # arguments that only the design checks
        if self.models and state_size(words) == 0:
            raise PlanError(f"a model of {self.text!r} is damaged: its words contradict each other")

    @cached_property
    def canonical(self) -> bytes:
        """Canonical CBOR of the plan, without the rate."""
        return canonical(self._ops)

    @cached_property
    def id(self) -> bytes:
        """SHA-256 of the canonical form."""
        return sha256(self.canonical)

    def __repr__(self) -> str:
        return f"Plan({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and other.canonical == self.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def cost(self, board: str | None = None, dtype: str = "f32") -> Cost:
        """RAM of the state for `dtype`, flash of the kernels used, operations a sample."""
        from atoll.kernels.cost import flash_bytes
        from atoll.kernels.operations import ops_per_sample

        ram = state_size(self._program(dtype))
        return Cost(
            ram, flash_bytes([op.kernel for op in self._ops], board), ops_per_sample(self._ops)
        )

    def memories(self, dtype: str = "f32") -> list[tuple[str, int]]:
        """Each kernel of the plan in turn, and the bytes of state that are its own."""
        sizes = memory_sizes(self._program(dtype))
        return [(op.kernel.name, size) for op, size in zip(self._ops, sizes, strict=True)]

    def check(self, dtype: str, rate: float | None = None, scale: float | None = None) -> None:
        """Raise PlanError where the plan cannot run on such streams (rate in Hz)."""
        if dtype not in DTYPES:
            raise PlanError(f"dtype {dtype!r} is none of {', '.join(DTYPES)}")
        if rate is not None and not 0 < rate < float("inf"):
            raise PlanError(f"rate must be a positive number of Hz, not {rate!r}")
        if scale is not None and not abs(scale) < float("inf"):
            raise PlanError(f"scale must be a finite number, not {scale!r}")
        if rate is not None:
            self._program(dtype, rate, scale)

    def partial(
        self,
        samples: object,
        rate: float | None = None,
        *,
        start: int = 0,
        anchor: int = 0,
        key: str = "",
        dtype: str | None = None,
        scale: float | None = None,
        checkpoint: bytes = b"",
    ) -> bytes:
        """What the plan makes of one piece of a stream, ready to merge.

        samples: i16, i32 or f32, of several channels (samples, channels); bytes need `dtype`.
        start: index in the stream of samples[0]; anchor: that of the first sample of the gap-free
        run; their difference is a multiple of `step`. Every window that lies whole inside the piece
        is computed; pieces that follow each other share `overlap` samples. key names the stream in
        rows and beside extremes. scale: the stream's own, which a bare `scale` applies.
        checkpoint: what `advance` gave for the piece before, for plans that are `ordered`.
        """
        piece = Piece(start, anchor, key, dtype, scale, checkpoint, onward=False)
        return self._run_piece(samples, rate, piece)[0]

    def advance(
        self,
        samples: object,
        rate: float | None = None,
        *,
        start: int = 0,
        anchor: int = 0,
        key: str = "",
        dtype: str | None = None,
        scale: float | None = None,
        checkpoint: bytes = b"",
    ) -> tuple[bytes, bytes]:
        """`partial`, and the checkpoint from which the next piece goes on.

        The next piece starts `step` times the number of windows later (where there is no window:
        after this piece's last sample). Where several windows begin in a step, those of a step
        that is not whole are left to the next piece.
        """
        piece = Piece(start, anchor, key, dtype, scale, checkpoint, onward=True)
        return self._run_piece(samples, rate, piece)

    def _run_piece(
        self, samples: object, rate: float | None, piece: "Piece"
    ) -> tuple[bytes, bytes]:
        seen, found, count = view(samples, piece.dtype, self.channels)
        self.check(found, rate, piece.scale)
        if self.rated and rate is None:
            raise KernelError(f"{self.text!r} depends on the sampling rate: pass rate= in Hz")
        if self.scaled and piece.scale is None:
            raise KernelError(f"{self.text!r} applies the stream's own scale: pass scale=")
        offset = piece.start - piece.anchor
        if piece.start < 0 or offset < 0 or offset % self.step:
            raise KernelError(
                f"a piece may start at multiples of {self.step} samples from the first of its run, "
                f"not at {offset}"
            )
        name = piece.key.encode()
        if len(name) > KEY_MAX:
            raise KernelError(f"the key has {len(name)} bytes, at most {KEY_MAX} fit")
        machine = self.machine(found, rate, piece.scale)
        at = self._place(machine, piece, offset, name)
        windows, handed, used = self._extent(count, piece.onward)
        data = machine.push(seen, 0, handed, windows)
        saved = machine.checkpoint(False) if self.ordered else b""
        if used > handed:
            data += machine.push(seen, handed, used - handed, windows)
        saved += machine.checkpoint(True) if self.ordered else b""
        next_checkpoint = self._head(piece.start + handed) + saved if self.ordered else b""
        if not self.rows:
            return machine.partial(), next_checkpoint
        given = len(data) // (4 * width(self._columns))
        runs = [(name, at, given, data)] if given else []
        return self._encode(runs), next_checkpoint

    def _place(self, machine: Machine, piece: "Piece", offset: int, name: bytes) -> int:
        """Tell a machine what stages remember and where the piece's first value stands; there."""
        by, up = self._lies.ratio
        at, rest = piece.start, 0
        if self.ordered and offset:
            given = self._lies.outputs(offset)
            machine.resume(self._opened(piece), offset * up // by - given)
            if not self.window_given:
                at, rest = piece.anchor + given * by // up, given * by % up
        machine.locate(at, name, rest)
        return at

    def _encode(self, runs: Iterable[Run]) -> bytes:
        return encode(self.id, runs, self.step, self._lies.windows_a_step)

    def _head(self, position: int) -> bytes:
        return b"AC\x01\x00" + self.id[:8] + position.to_bytes(8, "little")

    @staticmethod
    def position(checkpoint: bytes) -> int:
        """The sample at which the next piece starts, of what `advance` gave."""
        return int.from_bytes(checkpoint[12:20], "little")

    def _opened(self, piece: "Piece") -> bytes:
        """The stages' memories in a checkpoint of this plan at this place."""
        head = self._head(piece.start)
        given = piece.checkpoint
        if not given:
            raise KernelError(
                f"{self.text!r} runs in order: sample {piece.start} needs the checkpoint that "
                "`advance` gave for the piece before"
            )
        if given[:12] != head[:12]:
            raise KernelError("the checkpoint belongs to another plan, or is damaged")
        if given[12:20] != head[12:]:
            place = int.from_bytes(given[12:20], "little")
            raise KernelError(f"the checkpoint is for sample {place}, not {piece.start}")
        return given[20:]

    def _extent(self, count: int, onward: bool) -> tuple[int, int, int]:
        """Rows at most of `count` samples; samples up to the next piece's; samples used.

        Filters that run on have to see all samples up to where the next piece starts.
        """
        lies = self._lies
        if not self.window_given:
            by, up = lies.ratio
            return count * up // by + 1, count, count
        windows = lies.windows(count)
        steps = windows // lies.windows_a_step
        if self.ordered and onward:
            windows = steps * lies.windows_a_step
        used = lies.inputs((windows - 1) * lies.hop + lies.window) if windows else 0
        if not self.ordered:
            return windows, used, used
        handed = min(count, steps * self.step)
        return windows, handed, max(used, handed)

    def words(self, dtype: str, rate: float | None = None, scale: float | None = None) -> bytes:
        """The interpreter's program for such streams, as a microcontroller takes it."""
        return self._program(dtype, rate, scale)

    def machine(self, dtype: str, rate: float | None = None, scale: float | None = None) -> Machine:
        """A fresh interpreter state for such streams."""
        return Machine(self._program(dtype, rate, scale))

    def merge(self, partials: Iterable[bytes]) -> bytes:
        """The partial of all pieces together; of none, the empty partial."""
        given = list(partials)
        if self.rows:
            return self._encode([run for p in given for run in self._runs(p)])
        dtype = next(filter(None, map(partial_dtype, given)), "i16")
        machine = self.machine(dtype)
        for partial in given:
            machine.absorb(partial)
        return machine.partial()

    def finish(self, partial: bytes) -> dict[str, Value]:
        """Numbers of a partial, nested by stage: {"rms": {"quantiles": {...}}}."""
        checked = self.merge([partial])
        if self.rows:
            found = table(self._runs(checked), [c[1:] for c in self._columns])
            return nested(zip((c.path for c in self._columns), found, strict=True))
        dtype = partial_dtype(checked)
        states = NoStates() if dtype is None else States(checked, STATES_AT)
        states.count()
        value = self._value_dtype(dtype or "f32")
        if self._reducers[0].kernel.joint:
            names = tuple(name for column in self._columns for name in column.names)
            return {
                op.kernel.name: JOINT_FINISHERS[op.kernel.code](states, op, names)
                for op in self._reducers
            }
        if not self._features and not self._rowed:
            return self._column(states, value, self._columns[0])
        return nested((c.path, self._column(states, value, c)) for c in self._columns)

    def run(
        self, samples: object, rate: float | None = None, *, scale: float | None = None
    ) -> dict[str, Value]:
        """The result over one array, or over a mapping of key to array (each its own stream)."""
        if isinstance(samples, Mapping):
            pieces = [
                self.partial(samples[key], rate, key=key, scale=scale) for key in sorted(samples)
            ]
            return self.finish(self.merge(pieces))
        return self.finish(self.partial(samples, rate, scale=scale))

    def run_by_key(
        self,
        streams: Mapping[str, object],
        rate: float | None = None,
        *,
        scale: float | None = None,
    ) -> dict[str, dict[str, Value]]:
        """A result for each stream of a mapping."""
        return {
            key: self.finish(self.partial(streams[key], rate, key=key, scale=scale))
            for key in sorted(streams)
        }

    def _runs(self, partial: bytes) -> list[Run]:
        return decode(self.id, partial, width(self._columns))

    def _column(self, states: States, dtype: int, column: Column) -> dict[str, Value]:
        """The reducers' results of one column; of several numbers or channels, a list each."""
        if column.channels > 1:
            one = column._replace(channels=1)
            found = [self._column(states, dtype, one) for _ in range(column.channels)]
        elif column.width > 1:
            found = [self._branch(states, dtype) for _ in range(column.width)]
        else:
            return self._branch(states, dtype)
        return {op.kernel.name: [one[op.kernel.name] for one in found] for op in self._reducers}

    def _branch(self, states: States, dtype: int) -> dict[str, Value]:
        return {
            op.kernel.name: FINISHERS[op.kernel.code](states, op, dtype) for op in self._reducers
        }

    def _value_dtype(self, dtype: str) -> int:
        """dtype code of what the reducers take from streams of `dtype`."""
        added = any(op.kernel.code == USERS["sample"] for op in self._ops)
        floating = added or not FLOATING.isdisjoint(self.kernels)
        if self._features or self._rowed or floating:
            return DTYPES["f32"]
        widened = dtype == "i16" and any(op.kernel.group == "sample" for op in self._ops)
        return DTYPES["i32" if widened else dtype]

    def _program(self, dtype: str, rate: float | None = None, scale: float | None = None) -> bytes:
        stream = (dtype, rate if self.rated else None, scale if self.scaled else None)
        words = self._programs.get(stream)
        if words is None:
            words = program(self._ops, self.id, Stream(*stream), self._source)
            if len(self._programs) >= PROGRAMS_MAX:
                self._programs.clear()
            self._programs[stream] = words
        return words


def nested(results: Iterable[tuple[tuple[str, ...], object]]) -> dict[str, Value]:
    """Results under their paths: ("rms", "ewma") -> {"rms": {"ewma": ...}}."""
    whole: dict[str, Value] = {}
    for path, result in results:
        inside = whole
        for name in path[:-1]:
            inside = inside.setdefault(name, {})  # type: ignore[assignment]
        inside[path[-1]] = result
    return whole


def partial_dtype(partial: bytes) -> str | None:
    """The dtype a partial names; None for the empty one and for what is no partial."""
    if len(partial) <= DTYPE_AT or not 1 <= partial[DTYPE_AT] <= len(DTYPES):
        return None
    return tuple(DTYPES)[partial[DTYPE_AT] - 1]
