"""Batches of standing jobs, each merged once, whoever computed it and in whatever order they come.

`mark` is how far a stream is merged without a hole; batches ahead of it (a backlog may come after
news) are kept until the mark has passed them. The newest stays to be shown, and of a plan that
remembers the one before the mark, from whose checkpoint others go on.
"""

from atoll.gateway.catalog import Stream
from atoll.gateway.desk import Desk
from atoll.gateway.progress import Line, Progress, mark_key, run_of
from atoll.gateway.records import MarkSet, WindowGone, WindowSet
from atoll.gateway.standing_job import StandingJob

# Batches of one stream merged ahead of a missing one. At more than this the missing ones are given
# up: their device lost its outbox and no replica has the samples.
AHEAD_MAX = 1_024


class Batches:
    """Takes batches in; what is kept of them is in their jobs' progress."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def merge(
        self, job: StandingJob, device: str, stream: Stream, sample: int, data: bytes
    ) -> bool:
        """Take one in; whether it is the newest of its stream."""
        key = stream.info.key
        progress = job.streams.get(key)
        if progress is None:
            progress = job.streams[key] = Progress()
        line = progress.line(sample)
        if line is None or sample in line.ahead:
            self._repeated(job, device, progress, key, sample, data)
            return False
        late = False
        if sample < line.mark:
            newest = -1 if progress.newest is None else progress.newest[0]
            last = line.before(stream.anchors, job.every(stream))
            # Newer than any window known: a rebuilt ledger has no windows.
            late = newest < sample <= last
            if not late and (sample <= last or not stream.may_begin(sample)):
                self._repeated(job, device, progress, key, sample, data)
                return False
            if not late:  # at a gap of which nobody has told yet
                line.mark = sample
        name = job.row.name
        job.batches += 1
        self._desk.record(WindowSet(name, key, sample, data))
        newest_now = progress.newest is None or sample > progress.newest[0]
        if newest_now:
            if progress.newest is not None and not _waits(job, progress, progress.newest[0]):
                self._desk.record(WindowGone(name, key, progress.newest[0]))
            progress.newest = (sample, data)
        if not late:
            line.ahead[sample] = data
            for waited in progress.surplus():
                self._drop(job, progress, stream, waited)
            self._advance(job, progress, line, stream)
        return newest_now

    def _repeated(
        self,
        job: StandingJob,
        device: str,
        progress: Progress,
        key: str,
        sample: int,
        data: bytes,
    ) -> None:
        """A batch came again: with other bytes, that is an event."""
        self._desk.count("repeated")
        line = progress.line(sample)
        known = line.ahead.get(sample) if line is not None else None
        if known is None and progress.newest is not None and progress.newest[0] == sample:
            known = progress.newest[1]
        if known is not None and known != data:
            self._desk.count("disagreed")
            self._desk.say(
                "audit",
                f"{device} gives another partial for {job.row.name} of {key} at {sample}:"
                " the first one counts",
                device=device,
                job=job.row.name,
            )

    def catch_up(self, job: StandingJob, stream: Stream) -> None:
        """News of a first block or of a gap may have come after the last result."""
        progress = job.streams[stream.info.key]
        line = progress.lines.get(0)
        if line is not None and line.ahead:
            self._advance(job, progress, line, stream)

    def go_on(self, job: StandingJob, stream: Stream, sample: int) -> None:
        """Begin anew at a sample: what was to come before it is left out."""
        key = stream.info.key
        progress = job.streams.setdefault(key, Progress())
        line = progress.lines.setdefault(0, Line())
        for waited in [at for at in line.ahead if at < sample]:
            del line.ahead[waited]
            self._drop(job, progress, stream, waited)
        base, progress.base = progress.base, None
        if base is not None:
            self._drop(job, progress, stream, base[0])
        line.mark, line.last = sample, sample - 1
        self._desk.record(MarkSet(job.row.name, key, sample))
        self._advance(job, progress, line, stream)

    def _advance(self, job: StandingJob, progress: Progress, line: Line, stream: Stream) -> None:
        """Move the mark over what is merged without a hole."""
        before = line.mark
        if line.mark < 0:
            if not stream.anchors and len(line.ahead) <= AHEAD_MAX:
                return  # a result has overtaken the news of the stream's first block
            # The first batch of a stream is its first anchor's, unless older ones are still due.
            first = stream.anchors[0] if stream.anchors else min(line.ahead)
            line.mark = min(first, min(line.ahead))
        line.mark = job.settled(line, stream)
        while True:
            if (data := line.ahead.pop(line.mark, None)) is not None:
                line.last = line.mark
                if job.carries(line.mark):
                    self._keep_base(job, progress, stream, (line.mark, data))
                    line.mark = job.settled(line, stream)
                else:
                    self._drop(job, progress, stream, line.mark)
                    line.mark = job.following(stream, line.mark)
            elif len(line.ahead) > AHEAD_MAX:
                line.mark = min(line.ahead)
                line.last = line.mark - 1
                self._desk.count("lost")
            else:
                break
        if line.mark != before:
            key = mark_key(stream.info.key, line.mark)
            self._desk.record(MarkSet(job.row.name, key, line.mark))

    def _drop(self, job: StandingJob, progress: Progress, stream: Stream, sample: int) -> None:
        if progress.newest is None or progress.newest[0] != sample:
            self._desk.record(WindowGone(job.row.name, stream.info.key, sample))

    def _keep_base(
        self, job: StandingJob, progress: Progress, stream: Stream, base: tuple[int, bytes]
    ) -> None:
        """A batch behind the mark stays until the next one is: others go on from its checkpoint."""
        old, progress.base = progress.base, base
        if old is not None and old[0] < base[0]:
            self._drop(job, progress, stream, old[0])


def _waits(job: StandingJob, progress: Progress, sample: int) -> bool:
    """Whether a batch is kept because those before it have not come, or others go on from it."""
    if job.plan.ordered and progress.base is not None and progress.base[0] == sample:
        return True
    line = progress.lines.get(run_of(sample))
    return line is not None and sample in line.ahead
