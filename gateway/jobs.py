"""Queries from request to answer: cut once, dispatched over live replicas, merged once per key.

    Run ──plan, cut──> commit ──> tasks out ──Partials──> commit, ack ──all in──> merge, answer

When a device falls silent, its tasks go out again to other replicas at once (dispatch.py), and
whichever partial of a task comes first counts. A task
that every replica failed, or that nobody live has samples for, is listed as missing in the answer.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from atoll.gateway.catalog import Catalog, Stream
from atoll.gateway.cutting import (
    Cut,
    Times,
    cut_stream,
    from_text,
    piece_samples,
    tasks_of,
    to_text,
)
from atoll.gateway.desk import Desk
from atoll.gateway.dispatch import Dispatcher
from atoll.gateway.effects import ShowResult
from atoll.gateway.errors import RequestError
from atoll.gateway.jsonable import dumps
from atoll.gateway.member import State
from atoll.gateway.membership import Membership
from atoll.gateway.query import DONE, OPEN, Query
from atoll.gateway.records import PartialsAdded, QueryGone, QuerySet, SettingSet
from atoll.gateway.requests import (
    asked_plan,
    check_streams,
    gap_count,
    kept,
    parse_plan,
    shown,
    times_of,
    why_nothing,
)
from atoll.gateway.stragglers import LOOK_S as AGAIN_LOOK_S
from atoll.kernels import KernelError, Plan
from atoll.wire import messages as wire

QUERIES_OPEN_MAX = 256  # at some 10 MB each at the very most
QUERIES_KEPT_MAX = 64  # finished ones whose answer can be given again
QUEUE_FULL_S = 0.25  # how soon a device whose queue was full is asked again
FULL_SAID_S = 60.0  # a device that is full is an event this often
TIMEOUT_DEFAULT_S = 300.0
PROGRESS_S = 0.25
LOOK_S = 0.5  # how often an open query is looked at: orphans, resends, its deadline
MISSING_LISTED_MAX = 10_000  # entries of a missing list in an answer
RESULT_BYTES_MAX = 65_536  # of a retained result; larger answers go to their client only
BODY_BYTES_MAX = 4 * 1_048_576  # as the wire bears


class Jobs:
    """All queries.

    `task_done(device)` hears of each answered task that was taken from a lost device,
    `doubted(device)` of a device that could not do a task, `settled(query, device, tasks)` of
    tasks whose partial counts, `disputed(query, device, task, data)` of one that came with others.
    """

    def __init__(
        self,
        desk: Desk,
        members: Membership,
        catalog: Catalog,
        receipts: Mapping[str, str],
        orphan_s: float,
    ) -> None:
        self._desk = desk
        self._members = members
        self._catalog = catalog
        self._orphan_s = orphan_s
        self.open: dict[str, Query] = {}
        self.finished: dict[str, QuerySet] = {}
        self.task_done: Callable[[str], None] = lambda device: None
        self.doubted: Callable[[str], None] = lambda device: None
        self.settled: Callable[[Query, str, list[int]], None] = lambda query, device, numbers: None
        self.disputed: Callable[[Query, str, int, bytes], None] = lambda query, device, n, data: (
            None
        )
        self._numbers = 0
        self._asked: dict[tuple[str, int], str] = {}
        self._dispatcher = Dispatcher(desk, members, catalog, receipts)
        self._due = float("inf")
        self._orphans_at = 0.0  # when it is looked at again who may do what nobody could
        self._full_said: dict[str, float] = {}

    # --- from the ledger ---

    def restore_query(self, row: QuerySet) -> None:
        """Take a query from the ledger; an open one goes on once `resume` is called."""
        self._numbers = max(self._numbers, row.number)
        self._asked[(row.client, row.request)] = row.job
        if row.state != "open":
            self.finished[row.job] = row
            return
        plan = parse_plan(row.plan)
        cuts, piece = from_text(row.cuts)
        timeout_s = row.timeout_ms / 1000 - max(0, self._desk.wall_ms - row.started_ms) / 1000
        query = Query(row, plan, cuts, tasks_of(cuts, plan, piece), self._desk.now + timeout_s)
        query.started = self._desk.now - max(0, self._desk.wall_ms - row.started_ms) / 1000
        query.gaps = gap_count(cuts)
        self.open[row.job] = query

    def restore_partials(self, added: PartialsAdded) -> None:
        """Take what was merged from the ledger."""
        queries = {query.row.number: query for query in self.open.values()}
        for number, task, data in added.rows:
            query = queries.get(number)
            if query is not None and query.state[task] == OPEN:
                query.settle(task, data)

    def restore_setting(self, number: int) -> None:
        """The number of the last query ever."""
        self._numbers = max(self._numbers, number)

    def resume(self) -> None:
        """Go on with the open queries of the ledger."""
        for query in list(self.open.values()):
            query.orphans.update(query.open_tasks())
            query.orphan_since = self._desk.now
            self._look_at(self._desk.now + LOOK_S)
            if not query.left:
                self._finish(query)

    # --- requests ---

    def ask(self, client: str, run: wire.Run) -> None:
        """Plan a query, commit it, send its tasks out."""
        known = self._asked.get((client, run.request))
        if known is not None:
            self._answer_again(known)
            return
        if len(self.open) >= QUERIES_OPEN_MAX:
            raise RequestError(f"{QUERIES_OPEN_MAX} queries are open; wait for one to end")
        dataset = self._catalog.need(run.dataset)
        plan = asked_plan(run)
        streams = [dataset.streams[key] for key in sorted(dataset.streams)]
        check_streams(plan, dataset, streams)
        cuts, gaps = self._cut(plan, streams, times_of(run, streams))
        if not cuts:
            raise RequestError(why_nothing(run, streams))
        self._numbers += 1
        piece = piece_samples(cuts, plan.step)
        row = QuerySet(
            self._numbers, f"q{self._numbers}", "open", kept(plan), run.dataset, int(run.by_key),
            client, run.request, self._desk.wall_ms,
            run.timeout_ms or int(TIMEOUT_DEFAULT_S * 1000), to_text(cuts, piece), 0, "", b"",
        )  # fmt: skip
        tasks = tasks_of(cuts, plan, piece)
        query = Query(row, plan, cuts, tasks, self._desk.now + row.timeout_ms / 1000)
        query.gaps, query.started = gaps, self._desk.now
        self._desk.record(SettingSet("job", self._numbers))
        self._desk.record(row)
        self.open[row.job] = query
        self._asked[(client, run.request)] = row.job
        self._desk.say(
            "query",
            f"{row.job}: {plan.text} over {run.dataset}: {len(tasks)} tasks",
            job=row.job,
            tasks=len(tasks),
        )
        self._dispatch(query, range(len(tasks)))
        query.tell_at = self._desk.now + PROGRESS_S
        self._look_at(query.tell_at)

    def _answer_again(self, job: str) -> None:
        row = self.finished.get(job)
        if row is not None:
            self._desk.answer(row.client, wire.Reply(row.request, row.status, row.body, row.blob))

    def _cut(self, plan: Plan, streams: Sequence[Stream], times: Times) -> tuple[list[Cut], int]:
        """What the ledger knows to be on somebody's disk: whether it can be had now is another
        question, which the answer answers.
        """
        cuts: list[Cut] = []
        gaps = 0
        for stream in streams:
            found, holes = cut_stream(stream, list(stream.held), plan.step, times)
            cuts += found
            gaps += holes
        return cuts, gaps

    def cancel(self, job: str) -> bool:
        """End an open query without an answer; False if there is none of that name."""
        query = self.open.get(job)
        if query is None:
            return False
        self._close(query, wire.FAILED, dumps({"error": f"{job} was cancelled"}), b"", "cancelled")
        return True

    def _dispatch(self, query: Query, numbers: Iterable[int]) -> None:
        self._dispatcher.dispatch(query, numbers)
        self._look_at(self._desk.now + LOOK_S)

    # --- results ---

    def take(self, device: str, message: wire.Partials) -> bool:
        """Take a device's partials in; False if they belong to no query that was ever here."""
        query = self.open.get(message.job)
        if query is None:
            if message.job in self.finished:
                self._desk.count("repeated", len(message.results))
                return True
            return False
        rows: list[tuple[int, int, bytes]] = []
        answered: list[int] = []
        number_of = query.row.number
        state, tasks, parts = query.state, query.tasks, query.parts
        size = 0
        for key, number, failed, data, _ in message.results:
            if number >= len(tasks) or tasks[number].key != key:
                self._desk.refuse("result of no task")
                continue
            answered.append(number)
            if failed:
                self._failed(query, device, number, data)
            elif state[number] == OPEN or query.regain(number):
                state[number] = DONE
                query.times.came(number, self._desk.now)
                parts[number] = data
                size += len(data)
                rows.append((number_of, number, data))
            else:
                self._repeated(query, device, number, data)
        if rows:
            query.left -= len(rows)
            query.merged_count += len(rows)
            query.part_bytes += size
            self._desk.record(PartialsAdded(rows))
            if query.taken:
                self._takeover(query, rows)
            self.settled(query, device, [number for _, number, _ in rows])
        self._dispatcher.answered(query, device, answered)
        if not query.flights.get(device):
            self._look_at(self._desk.now + AGAIN_LOOK_S)  # it has nothing to do: others may be slow
        query.fold()
        if not query.left:
            self._finish(query)
        return True

    def _takeover(self, query: Query, rows: Iterable[tuple[int, int, bytes]]) -> None:
        for _, number, _ in rows:
            lost = query.taken.pop(number, None)
            if lost is not None:
                self.task_done(lost)

    def _repeated(self, query: Query, device: str, number: int, data: bytes) -> None:
        known = query.parts[number]
        self._desk.count("repeated")
        if known is not None and known != data:
            self._desk.count("disagreed")
            self._desk.say(
                "audit",
                f"{device} gives another partial for task {number} of {query.job}"
                f" ({query.tasks[number].key}): the first one counts",
                device=device,
                job=query.job,
            )
            self.disputed(query, device, number, data)

    def _say_full(self, device: str, reason: str) -> None:
        """A device takes no work: an event, once in a while for each."""
        self._desk.count("tasks refused by full devices")
        if self._desk.now >= self._full_said.get(device, 0.0):
            self._full_said[device] = self._desk.now + FULL_SAID_S
            self._desk.say("full", f"{device} takes no tasks: {reason}", device=device)

    def _failed(self, query: Query, device: str, number: int, data: bytes) -> None:
        if query.state[number] != OPEN:
            return
        query.times.back((number,))
        reason = data[:200].decode("utf-8", "replace")
        if reason.startswith(("queue full", "outbox full")):
            query.again.add(number)
            query.again_at = self._desk.now + QUEUE_FULL_S
            self._look_at(query.again_at)
            self._say_full(device, reason)
            return
        barred = query.failed.setdefault(number, set())
        barred.add(device)
        self._desk.count("task failures")
        self.doubted(device)
        stream = self._catalog.datasets[query.row.dataset].streams.get(query.tasks[number].key)
        others = set(stream.held) - barred if stream is not None else set()
        if others:
            query.again.add(number)
            query.again_at = self._desk.now
            self._look_at(query.again_at)
        else:
            query.give_up(number, f"{device}: {reason}")

    # --- devices come and go ---

    def device_lost(self, device: str) -> int:
        """A device is silent or gone: its tasks go to others. Gives how many there were."""
        count = 0
        for query, numbers in self._dispatcher.device_lost(device, self.open.values()):
            query.taken.update(dict.fromkeys(numbers, device))
            self._dispatch(query, numbers)
            count += len(numbers)
        return count

    def device_ready(self, device: str) -> None:
        """A device is back or has new blocks: tasks that nobody could do may have found one."""
        for query in self.open.values():
            query.eligible.pop(device, None)
            if query.orphans:
                self._orphans_at = self._desk.now
                self._look_at(self._desk.now)

    def dataset_removed(self, name: str) -> None:
        """A dataset is gone: queries over it end."""
        for query in list(self.open.values()):
            if query.row.dataset == name:
                self._close(
                    query, wire.FAILED, dumps({"error": f"dataset {name} was removed"}), b"",
                    "cancelled",
                )  # fmt: skip

    # --- time ---

    def _look_at(self, when: float) -> None:
        self._due = min(self._due, when)

    def next_due(self) -> float | None:
        """When `tick` has something to do."""
        return self._due if self.open else None

    def tick(self) -> None:
        """Deadlines, orphans, resends and progress of the open queries."""
        now = self._desk.now
        if now < self._due:
            return
        self._due = now + LOOK_S
        adopt = now >= self._orphans_at
        if adopt:
            self._orphans_at = now + LOOK_S
        for query in list(self.open.values()):
            if query.again and now >= query.again_at:
                numbers, query.again = sorted(query.again), set()
                self._dispatch(query, [n for n in numbers if query.state[n] == OPEN])
            if query.orphans and adopt:
                numbers, query.orphans = sorted(query.orphans), set()
                self._dispatch(query, [n for n in numbers if query.state[n] == OPEN])
            self._dispatcher.resend(query)
            self._dispatcher.steal(query)
            if self._dispatcher.start_again(query):
                self._look_at(now + AGAIN_LOOK_S)
            if not query.left:
                self._finish(query)
            elif now >= query.deadline:
                self._expire(query, "no answer before the deadline")
            elif self._stranded(query, now):
                self._expire(query, "no live device has these samples")
            elif now >= query.tell_at and query.done != query.told_done:
                query.told_done = query.done
                query.tell_at = now + PROGRESS_S
                body = dumps({"job": query.job, "done": query.done, "tasks": len(query.tasks)})
                self._desk.answer(
                    query.row.client, wire.Reply(query.row.request, wire.PROGRESS, body, b"")
                )

    def _stranded(self, query: Query, now: float) -> bool:
        """Whether only tasks are left that nobody live can do, for long enough."""
        return (
            bool(query.orphans)
            and len(query.orphans) == query.left
            and now - query.orphan_since >= self._orphan_s
            and not self._wakes(query, now)
        )

    def _wakes(self, query: Query, now: float) -> bool:
        """Whether somebody who has the samples of such a task wakes before the deadline."""
        latest_ms = self._desk.wall_ms + (query.deadline - now) * 1000
        streams, members = self._catalog.datasets[query.row.dataset].streams, self._members.members
        keys = {query.tasks[number].key for number in query.orphans}
        holders = {d for key in keys if key in streams for d in streams[key].held}
        return any(
            members[d].state is State.SLEEPING and members[d].row.wake_ms <= latest_ms
            for d in holders
            if d in members
        )

    def _expire(self, query: Query, reason: str) -> None:
        for number in query.open_tasks():
            query.give_up(number, reason)
        self._finish(query)

    # --- the end ---

    def _finish(self, query: Query) -> None:
        try:
            status, body, blob = self._result(query)
        except KernelError:
            query.drop_damaged()
            try:
                status, body, blob = self._result(query)
            except KernelError as error:
                self._close(query, wire.FAILED, dumps({"error": str(error)}), b"", "failed")
                return
        self._close(query, status, body, blob, "done" if status == wire.DONE else "incomplete")

    def _result(self, query: Query) -> tuple[int, str, bytes]:
        missing = query.missing_list(MISSING_LISTED_MAX)
        body: dict[str, Any] = {"job": query.job}
        if query.row.by_key:
            per_key = query.merged_by_key()
            body["values"] = {key: query.plan.finish(part) for key, part in per_key.items()}
            blob = b""
        else:
            blob = query.merged()
            body["value"] = query.plan.finish(blob)
        body |= {
            "complete": not missing,
            "missing": missing,
            "streams": len({cut.key for cut in query.cuts}),
            "tasks": len(query.tasks),
            "gaps": query.gaps,
            "elapsed_s": round(self._desk.now - query.started, 6),
        }
        text = dumps(body)
        if len(text.encode()) > BODY_BYTES_MAX:
            raise KernelError(
                f"the answer has {len(text)} bytes, at most {BODY_BYTES_MAX} are sent"
            )
        return (wire.INCOMPLETE if missing else wire.DONE), text, blob

    def _close(self, query: Query, status: int, body: str, blob: bytes, state: str) -> None:
        job = query.job
        row = query.row._replace(state=state, cuts="", status=status, body=body, blob=blob)
        self._desk.record(row)
        del self.open[job]
        self._dispatcher.close(query)
        self.finished[job] = row
        while len(self.finished) > QUERIES_KEPT_MAX:
            self._forget(next(iter(self.finished)))
        self._desk.answer(row.client, wire.Reply(row.request, status, body, blob))
        if status != wire.FAILED:
            small = len(body.encode()) <= RESULT_BYTES_MAX
            note = dumps({"job": job, "too_large_bytes": len(body)})
            self._desk.do(ShowResult(job, body if small else note))
        self._audit(query)
        took = self._desk.now - query.started
        missing = len(query.reasons)
        self._desk.say(
            "answer",
            f"{job}: {state} in {took:.3f} s, {len(query.tasks)} tasks, {missing} missing",
            job=job,
            elapsed_s=round(took, 6),
            missing=missing,
        )

    def _audit(self, query: Query) -> None:
        """Each task that counts as done is in the answer once: count what is not."""
        surplus = query.merged_count - query.state.count(DONE)
        if surplus:
            self._desk.count("duplicated" if surplus > 0 else "lost", abs(surplus))

    def _forget(self, job: str) -> None:
        row = self.finished.pop(job)
        self._asked.pop((row.client, row.request), None)
        self._desk.record(QueryGone(row.number, job))
        self._desk.do(ShowResult(job, ""))

    def listing(self) -> list[dict[str, Any]]:
        """Open and finished queries, for people."""
        listed = []
        for query in self.open.values():
            entry = _listed(query.row)
            entry |= {"state": "open", "tasks": len(query.tasks), "done": query.done}
            entry["missing"] = len(query.missing())
            listed.append(entry)
        for row in self.finished.values():
            entry = _listed(row)
            body = json.loads(row.body)
            tasks, missing = body.get("tasks", 0), len(body.get("missing", ()))
            entry |= {"tasks": tasks, "done": tasks - missing, "missing": missing}
            listed.append(entry)
        return listed


def _listed(row: QuerySet) -> dict[str, Any]:
    return {
        "job": row.job,
        "name": "",
        "kind": "query",
        "plan": shown(row.plan),
        "over": row.dataset,
        "state": row.state,
        "started_ms": row.started_ms,
    }
