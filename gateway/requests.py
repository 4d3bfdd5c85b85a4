"""What a request means: its plan, whether the streams bear it, its times, its pieces."""

from collections.abc import Sequence
from functools import lru_cache

from atoll.gateway import runs
from atoll.gateway.catalog import Dataset, Stream
from atoll.gateway.cutting import Cut, Times
from atoll.gateway.errors import RequestError
from atoll.kernels import Plan, PlanError
from atoll.wire import messages as wire
from atoll.wire.block import DTYPE_SIZES, crc32c

PLANS_KEPT = 256  # a few kilobytes each


@lru_cache(PLANS_KEPT)
def parse_plan(text: str) -> Plan:
    """The plan of a text; RequestError with the plan's own words where it is none.

    A plan does not change, and clients ask the same again and again: the newest are kept.
    """
    try:
        return Plan(text)
    except PlanError as error:
        raise RequestError(str(error)) from None


def check_streams(plan: Plan, dataset: Dataset, streams: Sequence[Stream]) -> None:
    """RequestError unless the plan can run over these streams and merge what comes back."""
    kinds = sorted({(s.info.dtype, s.info.rate_hz, s.info.scale) for s in streams})
    for dtype, rate_hz, scale in kinds:
        try:
            plan.check(dtype, rate_hz if rate_hz > 0.0 else None, scale)
        except PlanError as error:
            raise RequestError(f"over {dataset.row.name}: {error}") from None
    dtypes = sorted({dtype for dtype, _, _ in kinds})
    if len(dtypes) > 1:
        raise RequestError(
            f"dataset {dataset.row.name} has streams of {' and '.join(dtypes)}:"
            " a plan runs over one dtype"
        )


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
    size = DTYPE_SIZES.get(piece.info.dtype)
    if size is None:
        raise RequestError(f"stream {piece.info.key!r}: dtype {piece.info.dtype!r} is not known")
    if not piece.data or len(piece.data) % size:
        raise RequestError(
            f"stream {piece.info.key!r}: {len(piece.data)} bytes are no samples of {size} bytes"
        )
    if crc32c(piece.data) != piece.crc:
        raise RequestError(f"stream {piece.info.key!r}: piece {piece.index} was damaged on its way")
