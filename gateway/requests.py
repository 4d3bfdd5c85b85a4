"""What a request means: its plan, whether the streams bear it, its times, its pieces."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import lru_cache

from atoll.gateway import runs
from atoll.gateway.catalog import Dataset, Stream
from atoll.gateway.cutting import Cut, Times
from atoll.gateway.errors import RequestError
from atoll.kernels import Plan, PlanError
from atoll.wire import messages as wire
from atoll.wire.block import DTYPE_SIZES, crc32c, frame_bytes

_AS_DATA = "cbor:"  # before the base64 of a canonical form; no kernel is called so
PLANS_KEPT = 256  # a few kilobytes each


@lru_cache(PLANS_KEPT)
def parse_plan(text: str) -> Plan:
    """The plan of a text, or of what `kept` made of one; RequestError with the plan's own words
    where it is none.

    A plan does not change, and clients ask the same again and again: the newest are kept.
    """
    try:
        if text.startswith(_AS_DATA):
            return Plan.from_bytes(b64decode(text[len(_AS_DATA) :], validate=True))
        return Plan(text)
    except (PlanError, ValueError) as error:
        raise RequestError(str(error)) from None


def asked_plan(request: "wire.Run | wire.Start") -> Plan:
    """The plan that a client sends: as data where its models do not stand in the text."""
    data = request.canonical
    return parse_plan(_AS_DATA + b64encode(data).decode() if data else request.plan)


def kept(plan: Plan) -> str:
    """How the ledger keeps a plan: its text, or the canonical form where models travel with it."""
    if "@" not in plan.text:
        return plan.text
    return _AS_DATA + b64encode(plan.canonical).decode()


def shown(text: str) -> str:
    """A kept plan as people read it."""
    return parse_plan(text).text if text.startswith(_AS_DATA) else text


def check_streams(plan: Plan, dataset: Dataset, streams: Sequence[Stream]) -> None:
    """RequestError unless the plan can run over these streams and merge what comes back."""
    kinds = sorted({(s.info.dtype, s.info.rate_hz, s.info.scale) for s in streams})
    for dtype, rate_hz, scale in kinds:
        try:
            plan.check(dtype, rate_hz if rate_hz > 0.0 else None, scale)
        except PlanError as error:
            raise RequestError(f"over {dataset.row.name}: {error}") from None
    _check_channels(plan, dataset, {s.info.channels for s in streams})
    dtypes = sorted({dtype for dtype, _, _ in kinds})
    if len(dtypes) > 1:
        raise RequestError(
            f"dataset {dataset.row.name} has streams of {' and '.join(dtypes)}:"
            " a plan runs over one dtype"
        )


def _check_channels(plan: Plan, dataset: Dataset, there: set[int]) -> None:
    for count in sorted(there - {plan.channels}):
        advice = f"begin the plan with `channels {count}`" if count > 1 else "leave `channels` out"
        raise RequestError(
            f"over {dataset.row.name}: the plan takes {_channels(plan.channels)}, there are streams"
            f" of {_channels(count)}: {advice}"
        )


def _channels(count: int) -> str:
    return "one channel" if count == 1 else f"{count} channels"


def times_of(run: wire.Run, streams: Sequence[Stream]) -> Times:
    """The times that a request asks for; `last_ms` counts from the dataset's newest sample."""
    if run.last_ms == 0:
        return Times(run.since_ms, run.until_ms)
    ends = [runs.end_ms(r, s.info.rate_hz) for s in streams for r in s.all_runs()[-1:]]
    return Times(max(ends, default=0) - run.last_ms, -1)


def why_nothing(run: wire.Run, streams: Sequence[Stream]) -> str:
    """Why a request found no samples."""
    if not streams:
        return f"dataset {run.dataset} is empty"
    if (run.since_ms, run.until_ms, run.last_ms) != (-1, -1, 0):
        return f"dataset {run.dataset} has no samples in that time"
    return f"no live device has samples of {run.dataset}"


def gap_count(cuts: Sequence[Cut]) -> int:
    """How many gaps lie between the stretches of each stream."""
    return len(cuts) - len({cut.key for cut in cuts})


def check_piece(piece: wire.Piece) -> None:
    """RequestError unless a piece is whole samples that arrived as they were sent."""
    if piece.info.dtype not in DTYPE_SIZES:
        raise RequestError(f"stream {piece.info.key!r}: dtype {piece.info.dtype!r} is not known")
    size = frame_bytes(piece.info)
    if size == 0:
        raise RequestError(f"stream {piece.info.key!r}: no channels; there is one at least")
    if not piece.data or len(piece.data) % size:
        raise RequestError(
            f"stream {piece.info.key!r}: {len(piece.data)} bytes are no samples of {size} bytes"
        )
    if crc32c(piece.data) != piece.crc:
        raise RequestError(f"stream {piece.info.key!r}: piece {piece.index} was damaged on its way")
