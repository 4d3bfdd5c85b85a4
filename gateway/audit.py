"""Replica audit: a share of the tasks is computed by a second device, and who gives other bytes
than the others is put under audit.

    first partial in (it counts) ──chosen by a hash of its key──> the task again, on another replica
      the same bytes: nothing more
      other bytes: event ──> a third replica, or the gateway itself where there is none
                   whoever differs from that is under audit

A device under audit gets no tasks, its weight is 0 (its shards move away), and what it still says
about queries is not taken. It leaves audit by an operator's word (`atoll trust`), or, the first
time, after a restart with the receipts that the gateway has itself and a whole list of its blocks.

Audits are asked under a job's name of their own, "audit.JOB": their results are merged nowhere. A
gateway that starts anew forgets those under way, and keeps who is under audit.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from atoll.gateway import runs
from atoll.gateway.catalog import Catalog, Stream
from atoll.gateway.desk import Desk
from atoll.gateway.membership import Membership
from atoll.gateway.placement import GOLDEN, M32, fmix32
from atoll.gateway.query import Query
from atoll.gateway.records import SettingSet
from atoll.gateway.recount import Job, Recounts
from atoll.kernels import Plan
from atoll.wire import messages as wire

PREFIX = "audit."
SETTING = "audit:"  # a device's findings in the ledger; below 0: those of before, it is trusted now
CHECKS_MAX = 4_096  # under way: a digest, a task and two names each
PATIENCE_S = 60.0  # for an answer; a device that is lost meanwhile is nobody's liar
BATCH_TASKS_MAX = 256
NOBODY = ""  # who gave a partial is not known any more


class _Check:
    """One task that is computed again: who said what."""

    __slots__ = ("asked", "dataset", "deadline", "job", "plan", "said", "task")

    def __init__(self, job: str, plan: Plan, dataset: str, task: wire.Task) -> None:
        self.job = job
        self.plan = plan
        self.dataset = dataset
        self.task = task
        self.said: dict[str, bytes] = {}
        self.asked = ""
        self.deadline = 0.0


class Finding(NamedTuple):
    """A device gave other bytes than it should have."""

    device: str
    job: str
    key: str
    judge: str


class Audits:
    """Checks under way and devices under audit; `accused(device)` is called for each new one."""

    def __init__(
        self,
        desk: Desk,
        members: Membership,
        catalog: Catalog,
        receipts: Mapping[str, str],
        share: float,
    ) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._receipts = receipts
        self._limit = round(min(max(share, 0.0), 1.0) * 2**32)
        self._checks: dict[tuple[str, int], _Check] = {}
        self._fresh: list[_Check] = []  # to be sent
        self._findings: dict[str, int] = {}
        self._returned: dict[str, int] = {}  # under audit, started anew: the boot
        self.recounts = Recounts(desk)
        self.accused: Callable[[str], None] = lambda device: None
        self.trusted: Callable[[str], None] = lambda device: None

    # --- who is under audit ---

    def restore(self, settings: Mapping[str, int]) -> None:
        """Take from the ledger who is under audit; the members are there."""
        for name, count in settings.items():
            if name.startswith(SETTING) and count:
                device = name.removeprefix(SETTING)
                self._findings[device] = count
                self._mark(device)

    def _mark(self, device: str) -> None:
        member = self._members.members.get(device)
        if member is not None:
            member.audited = self._findings.get(device, 0) > 0

    def holds(self, device: str) -> bool:
        """Whether a device is under audit."""
        return self._findings.get(device, 0) > 0

    def _accuse(self, finding: Finding) -> None:
        device = finding.device
        if device == NOBODY or self.holds(device) or device not in self._members.members:
            return
        self._set(device, abs(self._findings.get(device, 0)) + 1)
        self._desk.say(
            "audit",
            f"{device} is under audit: its partial of {finding.job} ({finding.key}) is not that of"
            f" {finding.judge}; it gets no tasks, its shards move away; what it said before stays",
            device=device,
            job=finding.job,
        )
        self.accused(device)

    def _set(self, device: str, count: int) -> None:
        self._findings[device] = count
        self._desk.record(SettingSet(f"{SETTING}{device}", count))
        self._mark(device)

    def trust(self, device: str, why: str) -> None:
        """A device leaves audit."""
        self._set(device, -self._findings[device])
        self._returned.pop(device, None)
        self._desk.say("audit", f"{device} is trusted again: {why}", device=device)
        self.trusted(device)

    def born(self, device: str, *, rebooted: bool) -> None:
        """A device is met by this gateway, or has started anew."""
        self._mark(device)
        member = self._members.members[device]
        if not rebooted or self._findings.get(device) != 1:
            return  # who was found twice is for a person to judge
        differ = [k for k, digest in self._receipts.items() if member.receipts.get(k) != digest]
        if self._receipts and not differ:
            self._returned[device] = member.row.boot

    def listed(self, device: str, *, whole: bool) -> None:
        """A device's list of its blocks is in; `whole`: nothing that it had is missing."""
        member = self._members.members.get(device)
        if member is None or self._returned.get(device) != member.row.boot:
            return
        if whole:
            self.trust(device, "it has started anew, its receipts and its blocks are right")

    def forgotten(self, device: str) -> None:
        """A device is no member any more; if it comes back it is as new."""
        if self._findings.pop(device, 0):
            self._desk.record(SettingSet(f"{SETTING}{device}", 0))

    def admitted(self, device: str, dataset: str, message: wire.Partials) -> wire.Partials:
        """What is taken of a device's results: of one under audit, what nobody else can compute."""
        known = self._catalog.datasets.get(dataset)
        if not self.holds(device) or known is None:
            return message
        kept = []
        for result in message.results:
            stream = known.streams.get(result.key)
            others = self._members.serving(stream.held) if stream is not None else []
            if all(self.holds(other) for other in others):
                kept.append(result)
        self._desk.count("results under audit", len(message.results) - len(kept))
        return message._replace(results=kept)

    # --- checks ---

    def settled(self, query: Query, device: str, numbers: Iterable[int]) -> None:
        """These tasks' first partials came from a device: a share of them is computed again."""
        if not self._limit:
            return
        base = fmix32(query.row.number)
        limit, again = self._limit, []
        for number in numbers:
            if fmix32((base + number * GOLDEN) & M32) < limit:
                again.append(number)
        for number in again:
            part = query.parts[number]
            if part is not None:
                self._begin(query, number, {device: _digest(part)})
        self._send()

    def disputed(self, query: Query, device: str, number: int, data: bytes) -> None:
        """A partial came twice, with other bytes than the first; who gave that is not known."""
        first = query.parts[number]
        if first is not None:
            check = self._begin(query, number, {NOBODY: _digest(first)})
            if check is not None:
                self._differ(check, device, _digest(data))
                self._send()

    def _begin(self, query: Query, number: int, said: dict[str, bytes]) -> _Check | None:
        name = (query.job, number)
        if name in self._checks:
            return None
        if len(self._checks) >= CHECKS_MAX:
            self._desk.count("audits skipped")
            return None
        check = _Check(query.job, query.plan, query.row.dataset, query.tasks[number])
        check.said = said
        check.deadline = self._desk.now + PATIENCE_S
        if NOBODY not in said and not self._ask_another(check):
            self._desk.count("audits skipped")  # no second live replica
            return None
        self._checks[name] = check
        return check

    def _stream(self, check: _Check) -> Stream | None:
        dataset = self._catalog.datasets.get(check.dataset)
        return dataset.streams.get(check.task.key) if dataset else None

    def _others(self, check: _Check) -> list[str]:
        """Live devices that could compute the task and have not said anything about it."""
        stream = self._stream(check)
        if stream is None:
            return []
        found = []
        for device, held in stream.held.items():
            member = self._members.members.get(device)
            if member is None or not member.serves or member.audited or device in check.said:
                continue
            kernels = check.plan.kernels
            fits = all(self._receipts.get(k) == member.receipts.get(k) for k in kernels)
            if (fits or not self._receipts) and runs.covers(
                held, check.task.start, check.task.stop
            ):
                found.append(device)
        return sorted(found)

    def _ask_another(self, check: _Check) -> bool:
        others = self._others(check)
        if not others:
            return False
        check.asked = others[check.task.number % len(others)]
        self._fresh.append(check)
        return True

    def _send(self) -> None:
        """Send the checks that were begun and not sent, together."""
        batches: dict[tuple[str, str], list[_Check]] = {}
        fresh, self._fresh = self._fresh, []
        for check in fresh:
            batches.setdefault((check.asked, check.job), []).append(check)
        for (device, job), checks in batches.items():
            for at in range(0, len(checks), BATCH_TASKS_MAX):
                some = checks[at : at + BATCH_TASKS_MAX]
                head, first = self._desk.head(device), some[0]
                tasks = [check.task for check in some]
                order = wire.Tasks(*head, PREFIX + job, first.plan.canonical, first.dataset, tasks)
                self._desk.tell(device, "task", order)

    def take(self, device: str, message: wire.Partials) -> bool:
        """Take answers to checks in; False if they are none."""
        if not message.job.startswith(PREFIX):
            return False
        job = message.job.removeprefix(PREFIX)
        for _, number, failed, data, _ in message.results:
            check = self._checks.get((job, number))
            if check is None or check.asked != device:
                continue
            if failed:
                self._desk.count("audits unanswered")
                del self._checks[job, number]
            else:
                self._said(check, device, _digest(data))
        self._send()
        return True

    def _said(self, check: _Check, device: str, digest: bytes) -> None:
        check.asked = ""
        if len(check.said) > 1:
            self._judge(check, digest, device)
        elif digest in check.said.values():
            self._desk.count("audited")
            del self._checks[check.job, check.task.number]
        else:
            self._desk.count("audited")
            self._differ(check, device, digest)

    def _differ(self, check: _Check, device: str, digest: bytes) -> None:
        """Two devices gave other bytes: say so, and ask who is right."""
        (first, one), *_ = check.said.items()
        self._desk.count("audits disagreed")
        self._desk.say(
            "audit",
            f"{first or 'the first device'} and {device} give other bytes for task"
            f" {check.task.number} of {check.job} ({check.task.key}):"
            f" {one.hex()[:16]} and {digest.hex()[:16]}",
            job=check.job,
            devices=[first, device],
            digests=[one.hex(), digest.hex()],
        )
        check.said[device] = digest
        check.deadline = self._desk.now + PATIENCE_S
        if self._ask_another(check):
            return
        self._recount(check)

    def _recount(self, check: _Check) -> None:
        """No third replica is live: the gateway computes, from the blocks of each of the two."""
        stream = self._stream(check)
        sources = [d for d in check.said if d and stream is not None and d in stream.held]
        answers: list[bytes | None] = []

        def told(partial: bytes | None) -> None:
            answers.append(None if partial is None else _digest(partial))
            if len(answers) < len(sources):
                return
            known = {answer for answer in answers if answer is not None}
            if len(known) == 1:
                self._judge(check, known.pop(), "the gateway")
            else:  # their blocks differ, or nobody sends them
                self._undecided(check)

        for source in list(sources):
            assert stream is not None
            if not self.recounts.begin(Job(source, stream, check.plan, check.task), told):
                sources.remove(source)
        if not sources:
            self._undecided(check)

    def _undecided(self, check: _Check) -> None:
        if self._checks.pop((check.job, check.task.number), None) is not None:
            names = " and ".join(d for d in check.said if d)
            self._desk.count("audits undecided")
            self._desk.say(
                "audit",
                f"who of {names} is right about task {check.task.number} of {check.job} cannot be"
                " told: no third replica, and their blocks do not decide it",
                job=check.job,
            )

    def _judge(self, check: _Check, digest: bytes, judge: str) -> None:
        self._checks.pop((check.job, check.task.number), None)
        wrong = [device for device, said in check.said.items() if said != digest]
        if len(wrong) == len(check.said) and judge != "the gateway":
            check.said[judge] = digest  # three answers: the gateway's own decides
            self._checks[check.job, check.task.number] = check
            self._recount(check)
            return
        for device in wrong:
            self._accuse(Finding(device, check.job, check.task.key, judge))

    # --- blocks for the gateway's own computing ---

    def came_up(self, device: str, message: wire.Blocks) -> bool:
        """Blocks for a recount; False if they are of none."""
        return self.recounts.came_up(device, message)

    def failed(self, device: str, message: wire.TransferFailed) -> bool:
        """Blocks for a recount do not come; False if they are of none."""
        return self.recounts.failed(device, message)

    # --- time ---

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        due = self.recounts.next_due()
        for check in self._checks.values():
            if due is None or check.deadline < due:
                due = check.deadline
        return due

    def tick(self) -> None:
        """Forget what was not answered."""
        self.recounts.tick()
        for name, check in list(self._checks.items()):
            if self._desk.now >= check.deadline and name in self._checks:
                self._desk.count("audits unanswered")
                del self._checks[name]

    def listing(self) -> Sequence[str]:
        """The devices under audit."""
        return sorted(device for device, count in self._findings.items() if count > 0)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
