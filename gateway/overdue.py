"""Batches of standing jobs that should be merged by now and are not, and who is to compute them.

A device goes on behind a hole after a while, may forget that when it restarts, and gets the missing
blocks later. So it is not asked to remember: the gateway knows which batches it has merged and what
is stored, and asks for the others (`wire.Again`). It looks at all streams every `ROUND_S`, a
portion at a time. A batch that lacked in one round and still does in the next one is asked for if
later ones are merged; else the device may be waiting before a hole, and has some rounds more.

A plan that remembers is another case: its batches follow each other, and behind a hole its stages
begin anew. Were each device to decide where, two of them could come to different results, as they
have different blocks. So they wait, and the gateway has the job go on behind a hole of which no
serving device has had the samples for `PASSED_ROUNDS`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice

from atoll.gateway import runs
from atoll.gateway.catalog import Catalog, Stream
from atoll.gateway.desk import Desk
from atoll.gateway.membership import Membership
from atoll.gateway.progress import Line, beginning
from atoll.gateway.standing import StandingJobs
from atoll.gateway.standing_job import StandingJob
from atoll.wire import messages as wire
from atoll.wire.limits import STREAMS_MAX
from atoll.wire.messages import BlockRun

ROUND_S = 30.0
PORTION, PORTION_S = 1_000, 0.2  # streams looked at in one go, and the rest between two
# For how many rounds a batch has to lack before: one behind which others are merged, and any other.
PASSED_ROUNDS, WAITED_ROUNDS = 1, 5
# Batches of one stream that are asked for in a round; a device computes 64 at a time.
BATCHES_MAX = 64


class Overdue:
    """The rounds."""

    def __init__(
        self, desk: Desk, members: Membership, catalog: Catalog, standing: StandingJobs
    ) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._standing = standing
        self._due = 0.0
        self._round: Iterator[tuple[StandingJob, str]] = iter(())
        # (job, key): the first samples of batches that lack, and for how many rounds before: as of
        # the last round, and of this one.
        self._lacked: dict[tuple[str, str], dict[int, int]] = {}
        self._lacking: dict[tuple[str, str], dict[int, int]] = {}

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        return self._due if self._standing.jobs else None

    def tick(self) -> None:
        """Look at the next streams."""
        now = self._desk.now
        if now < self._due or not self._standing.jobs:
            return
        asked: dict[tuple[str, str], list[wire.Stretch]] = {}
        for job, key in (portion := list(islice(self._round, PORTION))):
            self._look(job, key, asked)
        for (device, name), stretches in asked.items():
            for at in range(0, len(stretches), STREAMS_MAX):
                some = stretches[at : at + STREAMS_MAX]
                again = wire.Again(*self._desk.head(device), name, some)
                self._desk.tell(device, "task", again)
        if len(portion) == PORTION:
            self._due = now + PORTION_S
        else:
            self._lacked, self._lacking = self._lacking, {}
            self._round, self._due = self._streams(), now + ROUND_S

    def _streams(self) -> Iterator[tuple[StandingJob, str]]:
        for job in list(self._standing.jobs.values()):
            dataset = self._catalog.datasets[job.row.dataset]
            for key in list(dataset.streams if job.plan.ordered else job.streams):
                yield job, key

    def _look(
        self, job: StandingJob, key: str, asked: dict[tuple[str, str], list[wire.Stretch]]
    ) -> None:
        """One stream of a job that may have ended since the round began."""
        name = job.row.name
        if self._standing.jobs.get(name) is not job:
            return
        dataset = self._catalog.datasets[job.row.dataset]
        stream, progress = dataset.streams.get(key), job.streams.get(key)
        if stream is None:
            return
        if progress is not None:
            self._standing.catch_up(job, stream)
        if job.plan.ordered:
            self._look_for_hole(job, stream)
        elif progress is not None and (line := progress.lines.get(0)) is not None:
            self._look_for_lacking(job, stream, line, asked)

    def _look_for_lacking(
        self,
        job: StandingJob,
        stream: Stream,
        line: Line,
        asked: dict[tuple[str, str], list[wire.Stretch]],
    ) -> None:
        name, key = job.row.name, stream.info.key
        owners = self._catalog.datasets[stream.info.dataset].shards[stream.shard].owners
        device = owners[0] if owners else ""
        member = self._members.members.get(device)
        if member is None or not member.serves or member.programs:
            return
        every = job.every(stream)
        lacking = unmerged(stream, line, device, every, job.plan.overlap, job.plan.need)
        found = list(islice(lacking, BATCHES_MAX))
        if not found:
            return
        before = self._lacked.get((name, key), {})
        rounds = {start: before.get(start, -1) + 1 for start, _ in found}
        self._lacking[name, key] = rounds
        newest = max(line.ahead, default=-1)
        again = [
            one
            for one in found
            if rounds[one[0]] >= (PASSED_ROUNDS if one[0] < newest else WAITED_ROUNDS)
        ]
        if again:
            self._desk.count("batches asked for again", len(again))
            stretches = asked.setdefault((device, name), [])
            stretches += (wire.Stretch(key, *one) for one in joined(again))

    def _look_for_hole(self, job: StandingJob, stream: Stream) -> None:
        name = (job.row.name, stream.info.key)
        progress = job.streams.get(stream.info.key)
        mark = progress.mark if progress is not None else -1
        if mark + job.plan.need > stream.tail_sample:
            return
        first = stream.anchors[0] if stream.anchors else 0
        begins = beginning(stream.anchors, first if mark < 0 else mark, job.least)
        holders = self._members.serving(stream.held)
        held = [run for device in holders for run in stream.held[device]]
        every, overlap, need = job.every(stream), job.plan.overlap, job.plan.need
        place = next_whole(stream, held, begins, every, overlap, need)
        if place is None:
            return
        # A hole that is being filled ends elsewhere each time.
        rounds = self._lacked.get(name, {}).get(place, -1) + 1
        self._lacking[name] = {place: rounds}
        if rounds < PASSED_ROUNDS:
            return
        if place > begins:
            self._desk.count("holes passed")
            self._standing.go_on(job, stream, place)
        elif mark < 0:  # who acts may lack what is too short for a batch, and wait for it
            self._standing.begin(job, stream, place)
        elif not rounds & (rounds + 1):  # more and more seldom: it may just be slow
            # Behind a hole may be a gap: who acts stands before it, and does not know the mark.
            self._standing.remind(job, stream)


def next_whole(
    stream: Stream, held: Sequence[BlockRun], begins: int, every: int, overlap: int, need: int
) -> int | None:
    """Where the first batch from `begins` on is of which all samples are held; None if there is
    none, or the one at `begins` may become one, as what is held ends there.

    `held`: runs of all who serve. `need`: as for `unmerged`.
    """
    for first, stop in _gap_free(stream, held):
        if stop <= begins:
            continue
        anchor = stream.anchor_at(first)
        start = begins if first <= begins else anchor + -(-(first - anchor) // every) * every
        ends = stop in stream.anchors  # what is before a gap is a shorter batch
        if start + every + overlap <= stop or (ends and start + need <= stop):
            return start
    return None


def _gap_free(stream: Stream, held: Sequence[BlockRun]) -> Iterator[tuple[int, int]]:
    """Stretches [first, stop) of what is held, cut at the stream's gaps."""
    anchors = stream.anchors
    for first, stop in runs.spans([held]):
        for anchor in anchors[bisect_right(anchors, first) : bisect_left(anchors, stop)]:
            yield first, anchor
            first = anchor
        yield first, stop


def unmerged(
    stream: Stream, line: Line, device: str, every: int, overlap: int, need: int
) -> Iterator[tuple[int, int]]:
    """The batches [first sample, next batch's) that a device has all samples of, behind the mark,
    and that are not merged. `need`: samples of a window, the least that a batch before a gap has.
    """
    if line.mark < 0 or line.mark + need > stream.tail_sample:
        return
    for first, stop in _gap_free(stream, stream.held.get(device, ())):
        if stop <= line.mark:
            continue
        anchor = stream.anchor_at(first)  # behind a hole the lattice is the one before it
        begin = max(first, line.mark)
        start = anchor + -(-(begin - anchor) // every) * every
        while start < stop:
            whole = start + every + overlap <= stop
            if not whole and (stop not in stream.anchors or start + need > stop):
                break
            if start not in line.ahead:
                yield start, start + every if whole else stop
            start += every


def joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that follow each other as one; the first samples in order."""
    found: list[tuple[int, int]] = []
    for first, stop in stretches:
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((first, stop))
    return found
