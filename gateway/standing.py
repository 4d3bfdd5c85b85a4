"""Standing jobs: orders to devices, their batches (batches.py), the newest window of each shown.

A batch's key is (job, stream key, number); the number is its first sample, or names a run and a
sample (progress.py). A device that comes to act for a shard is sent the marks of its streams and
goes on from there; what two devices computed twice is equal and counts once.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from atoll.gateway.batches import Batches
from atoll.gateway.catalog import Catalog, Shard, Stream
from atoll.gateway.desk import Desk
from atoll.gateway.effects import ShowResult
from atoll.gateway.errors import RequestError
from atoll.gateway.jsonable import dumps
from atoll.gateway.member import NEVER, Member
from atoll.gateway.membership import Membership
from atoll.gateway.programs import programs, unfit
from atoll.gateway.progress import Line, Progress, place_of, run_of, stream_key
from atoll.gateway.records import MarkSet, StandingGone, StandingSet, WindowSet
from atoll.gateway.requests import asked_plan, check_streams, kept
from atoll.gateway.standing_job import StandingJob
from atoll.kernels import KernelError, Plan, catalogue
from atoll.wire import messages as wire
from atoll.wire.limits import CHECKPOINT_BYTES_MAX, STREAMS_MAX
from atoll.wire.topics import is_name

STANDING_MAX = 64  # as many as a device takes
HOPS_DEFAULT = 64
# Of marks and checkpoints in one message, beside a plan of 16 KiB; one more may begin below it.
CHECKPOINTS_BYTES = 24_000
SHOW_S = 0.2  # a job's result topic changes at most this often
SHOWN_BYTES_MAX = 65_536
EVERY = re.compile(r"(\d+)(ms|s|min|h)?")
UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000}
RESERVED_NAME = re.compile(r"q\d+|audit\..*")


class StandingJobs:
    """All standing jobs."""

    def __init__(
        self, desk: Desk, members: Membership, catalog: Catalog, receipts: Mapping[str, str]
    ) -> None:
        """receipts: kernel to hash in hex, of this machine; empty: boards' are not compared."""
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._receipts = receipts
        self.jobs: dict[str, StandingJob] = {}
        self._batches = Batches(desk)
        self._due = NEVER  # when the first news is to be shown

    def memory_of(self, dataset: str) -> int:
        """What the greediest job over a dataset needs on a device that computes for it."""
        jobs = self.jobs.values()
        return max((job.ram_bytes for job in jobs if job.row.dataset == dataset), default=0)

    # --- from the ledger ---

    def restore_job(self, row: StandingSet) -> None:
        """Take a job from the ledger."""
        self.jobs[row.name] = StandingJob(row)

    def restore_mark(self, row: MarkSet) -> None:
        """Take a stream's mark from the ledger."""
        if row.job in self.jobs:
            streams = self.jobs[row.job].streams
            progress = streams.setdefault(stream_key(row.key), Progress())
            progress.lines.setdefault(run_of(row.sample), Line()).mark = row.sample

    def restore_window(self, row: WindowSet) -> None:
        """Take a batch from the ledger; streams and marks come first."""
        if row.job not in self.jobs:
            return
        job = self.jobs[row.job]
        progress = job.streams.setdefault(row.key, Progress())
        line = progress.line(row.sample)
        if line is not None and row.sample > self._behind(job, line, row.key):
            line.ahead[row.sample] = row.data
        if line is not None and row.sample >= line.mark:
            pass  # nobody goes on from it yet
        elif progress.base is None or row.sample > progress.base[0]:
            progress.base = (row.sample, row.data)
        if progress.newest is None or row.sample > progress.newest[0]:
            progress.newest = (row.sample, row.data)
            self.jobs[row.job].changed[row.key] = None
            self._due = 0.0

    def _behind(self, job: StandingJob, line: Line, key: str) -> int:
        """The batch before a restored mark, by the gaps in the ledger. A batch between the two
        began at a gap of which no news had come: it waits for that news, or comes again.
        """
        dataset = self._catalog.datasets.get(job.row.dataset)
        stream = dataset.streams.get(key) if dataset else None
        if stream is None or line.mark < 0:
            return line.mark - 1
        known = line.last
        last = line.before(stream.anchors, job.every(stream))
        line.last = known  # more news may come before it is needed
        return last

    # --- requests ---

    def start(self, request: wire.Start) -> StandingJob:
        """Begin a job; the same request again changes nothing."""
        if not is_name(request.name) or RESERVED_NAME.fullmatch(request.name):
            raise RequestError(
                f"job name {request.name!r}: letters, digits, '.', '_' and '-', at most 64,"
                " and not q1, q2, ... (those are queries) or audit. ..."
            )
        if request.dataset not in self._catalog.datasets:
            self._catalog.need(request.dataset)
        plan = asked_plan(request)
        dataset = self._catalog.datasets[request.dataset]
        check_streams(plan, dataset, list(dataset.streams.values()))
        _check_memory(plan)
        every, every_ms = _every(request.every, plan.step)
        row = StandingSet(
            request.name, kept(plan), request.dataset, every, every_ms, self._desk.wall_ms
        )
        known = self.jobs.get(request.name)
        if known is not None:
            if known.row._replace(started_ms=row.started_ms) != row:
                raise RequestError(
                    f"standing job {request.name} runs already: {known.plan.text} over"
                    f" {known.row.dataset}; stop it first"
                )
            return known
        if len(self.jobs) >= STANDING_MAX:
            raise RequestError(f"{STANDING_MAX} standing jobs run; stop one first")
        job = self.jobs[request.name] = StandingJob(row)
        self._desk.record(row)
        self._desk.say("standing", f"{row.name}: {plan.text} over {row.dataset}", job=row.name)
        for member in self._members.members.values():
            if member.serves:
                self._order(job, member.id)
        return job

    def stop(self, name: str) -> bool:
        """End a job; False if there is none of that name."""
        job = self.jobs.pop(name, None)
        if job is None:
            return False
        self._desk.record(StandingGone(name))
        for device in self._members.members:
            self._desk.tell(device, "task", wire.Cancel(*self._desk.head(device), name))
        # A job of this name that is started from now on is told from this one by its epoch, and an
        # order of this one that comes late is refused.
        self._desk.advance_epoch()
        self._desk.do(ShowResult(name, ""))
        self._desk.say("standing", f"{name} is stopped", job=name)
        return True

    def dataset_removed(self, name: str) -> None:
        """A dataset is gone, and the jobs over it."""
        for job in [job for job in self.jobs.values() if job.row.dataset == name]:
            self.stop(job.row.name)

    # --- orders ---

    def device_ready(self, device: str) -> None:
        """A device is (back) here: it gets every order, with the marks of what it acts for."""
        for job in self.jobs.values():
            self._order(job, device)

    def acting_changed(self, shard: Shard) -> None:
        """A shard has another acting owner: it goes on from the marks."""
        if not shard.owners:
            return
        for job in self.jobs.values():
            if job.row.dataset == shard.id.dataset and (marks := self._marks(job, shard.streams)):
                self._send(job, shard.owners[0], marks)

    def _order(self, job: StandingJob, device: str) -> None:
        dataset = self._catalog.datasets[job.row.dataset]
        marks: list[wire.Mark] = []
        for shard_id in self._catalog.by_device.get(device, {}):
            if shard_id.dataset == job.row.dataset:
                marks += self._marks(job, dataset.shards[shard_id.number].streams)
        self._send(job, device, marks)

    def _marks(self, job: StandingJob, streams: dict[str, Stream]) -> list[wire.Mark]:
        return [
            wire.Mark(key, job.settled(progress.lines[0], stream))
            for key, stream in streams.items()
            if (progress := job.streams.get(key)) is not None and progress.mark >= 0
        ]

    def _send(self, job: StandingJob, device: str, marks: list[wire.Mark]) -> None:
        row, head = job.row, self._desk.head(device)
        member = self._members.members.get(device)
        if member is not None and member.programs:
            self._send_programs(job, member)
            return
        held = job.checkpoints(marks)
        for some in _portions(marks, held):
            order = wire.Standing(
                *head, row.name, job.plan.canonical, row.dataset, row.every, row.every_ms, some,
                [held[mark.key] for mark in some if mark.key in held],
            )  # fmt: skip
            self._desk.tell(device, "task", order)

    def _send_programs(self, job: StandingJob, member: Member) -> None:
        head, size = self._desk.head(member.id), member.row.message_max
        if reason := unfit(job.plan.kernels, member.receipts, self._receipts):
            self._refused(job, member.id, reason)
            return
        found, reasons = programs(job.row, job.plan, member.sources, head, size)
        for message in found:
            self._desk.tell(member.id, "task", message)
        for reason in reasons:
            self._refused(job, member.id, reason)

    def _refused(self, job: StandingJob, device: str, reason: str) -> None:
        text = f"{device} cannot run {job.row.name}: {reason}"
        self._desk.say("refused", text, device=device, job=job.row.name)

    def remind(self, job: StandingJob, stream: Stream) -> None:
        """Who acts for a stream is told its mark again."""
        owners = self._catalog.datasets[stream.info.dataset].shards[stream.shard].owners
        if owners and (marks := self._marks(job, {stream.info.key: stream})):
            self._send(job, owners[0], marks)

    def begin(self, job: StandingJob, stream: Stream, sample: int) -> None:
        """A job whose plan remembers has its first batch at this sample, whoever acts."""
        self._batches.go_on(job, stream, sample)
        self.remind(job, stream)

    def go_on(self, job: StandingJob, stream: Stream, sample: int) -> None:
        """A job whose plan remembers begins anew behind a hole, whoever acts."""
        key = stream.info.key
        self.begin(job, stream, sample)
        text = f"{job.row.name} of {key} goes on at {sample}: nobody has the samples before it"
        self._desk.say("standing", text, job=job.row.name, key=key, sample=sample)

    # --- results ---

    def early(self, device: str, message: wire.Partials) -> bool:
        """Whether results are of a stream that the device samples and that is not known here yet:
        they have overtaken the news of it, and are to come again.
        """
        job = self.jobs.get(message.job)
        if job is None:
            return False
        streams = self._catalog.datasets[job.row.dataset].streams
        return any(r.key not in streams and r.key.split("/")[0] == device for r in message.results)

    def take(self, device: str, message: wire.Partials) -> bool:
        """Take a device's batches in; False if there is no such job."""
        job = self.jobs.get(message.job)
        if job is None:
            return False
        streams = self._catalog.datasets[job.row.dataset].streams
        for key, sample, failed, data, _ in message.results:
            if failed:
                job.failures += 1
                self._desk.count("task failures")
                member = self._members.members.get(device)
                if member is not None and member.programs:
                    self._refused(job, device, f"{key}: {data.decode('utf-8', 'replace')}")
                continue
            stream = streams.get(key)
            if stream is None:
                self._desk.refuse("result of no stream")
                continue
            if job.partial_of(sample, data) is None:
                self._desk.refuse("result without its checkpoint")
                continue
            if self._batches.merge(job, device, stream, sample, data):
                self._note(job, key)
        return True

    def catch_up(self, job: StandingJob, stream: Stream) -> None:
        """News of a stream may have come after the last result of it."""
        self._batches.catch_up(job, stream)

    # --- showing ---

    def _note(self, job: StandingJob, key: str) -> None:
        """A stream has a newer window."""
        if not job.changed:
            job.show_at = max(job.show_at, self._desk.now)
        job.changed[key] = None
        self._due = min(self._due, job.show_at)

    def show_again(self) -> None:
        """The broker may have lost what it was to keep: the newest windows are shown anew."""
        for job in self.jobs.values():
            for key, progress in job.streams.items():
                if progress.newest is not None:
                    job.changed[key] = None
            if job.changed:
                self._due = min(self._due, max(job.show_at, self._desk.now))

    def next_due(self) -> float | None:
        """When `tick` has something to show."""
        return self._due if self._due < NEVER else None

    def tick(self) -> None:
        """Publish the newest windows of jobs that have news."""
        now = self._desk.now
        if now < self._due:
            return
        self._due = NEVER
        for job in self.jobs.values():
            if job.changed and now >= job.show_at:
                job.show_at = now + SHOW_S
                self._show(job)
            elif job.changed:
                self._due = min(self._due, job.show_at)

    def _show(self, job: StandingJob) -> None:
        for key in job.changed:
            progress = job.streams[key]
            if progress.newest is None:
                continue
            sample, data = progress.newest
            try:
                value: Any = job.plan.finish(job.partial_of(sample, data) or b"")
            except KernelError as error:
                value = {"error": str(error)}
            # Kept as text: of a job over thousands of streams, few have changed.
            progress.shown = dumps({**place_of(sample), "value": value})
        job.changed.clear()
        shown: list[str] = []
        size = 0
        ready = [k for k in sorted(job.streams) if job.streams[k].shown]
        for key in ready:
            entry = job.streams[key].shown
            size += len(entry) + len(key) + 8
            if size > SHOWN_BYTES_MAX:
                break
            shown.append(f"{dumps(key)}:{entry}")
        name, streams = job.row.name, ",".join(shown)
        body = f'"job":{dumps(name)},"at_ms":{self._desk.wall_ms},"streams":{{{streams}}}'
        if len(shown) < len(ready):
            body += f',"omitted":{len(ready) - len(shown)}'
        self._desk.do(ShowResult(name, f"{{{body}}}"))

    def listing(self) -> list[dict[str, Any]]:
        """Standing jobs, for people."""
        return [
            {
                "job": job.row.name,
                "name": job.row.name,
                "kind": "standing",
                "plan": job.plan.text,
                "over": job.row.dataset,
                "state": "running",
                "tasks": 0,
                "done": job.batches,
                "missing": job.failures,
                "started_ms": job.row.started_ms,
            }
            for job in self.jobs.values()
        ]


def _portions(
    marks: list[wire.Mark], held: dict[str, wire.Checkpoint]
) -> Iterator[list[wire.Mark]]:
    """The marks in portions that fit a message with their checkpoints; one portion at least."""
    some: list[wire.Mark] = []
    size = 0
    for mark in marks:
        if len(some) == STREAMS_MAX or (held and size > CHECKPOINTS_BYTES):
            yield some
            some, size = [], 0
        some.append(mark)
        data = held[mark.key].data if mark.key in held else b""
        size += 2 * len(mark.key.encode()) + len(data) + 64
    yield some


def _check_memory(plan: Plan) -> None:
    """RequestError where the checkpoints of a plan do not fit in messages."""
    groups = {kernel.name: kernel.group for kernel in catalogue()}
    size = sum(n for name, n in plan.memories() if groups[name] in ("sample", "row"))
    if plan.ordered and size + 64 > CHECKPOINT_BYTES_MAX:
        raise RequestError(
            f"{plan.text!r} remembers {size:,} bytes a stream, and a checkpoint takes at most"
            f" {CHECKPOINT_BYTES_MAX:,}"
        )


def _every(text: str, step: int) -> tuple[int, int]:
    """(samples, milliseconds) of a batch, one of them 0; samples are rounded to the plan's step."""
    if not text:
        return HOPS_DEFAULT * step, 0
    found = EVERY.fullmatch(text.replace(" ", ""))
    if found is None or int(found[1]) == 0 or int(found[1]) > 2**31:
        raise RequestError(
            f"every={text!r}: a number of samples such as 65536, or a time such as 500ms, 10s, 5min"
        )
    if found[2] is None:
        return max(step, round(int(found[1]) / step) * step), 0
    milliseconds = int(found[1]) * UNITS_MS[found[2]]
    if milliseconds >= 2**32:
        raise RequestError(f"every={text!r}: at most 1193h")
    return 0, milliseconds
