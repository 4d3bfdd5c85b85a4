"""A client of a fleet: put data in, run plans over it, follow jobs, see and steer the devices.

    from atoll.gateway import connect

    with connect("mqtt://127.0.0.1:1883", site="demo") as fleet:
        fleet.put("vibration", samples, key="motor-1", rate=12000, scale=0.000162, unit="g")
        print(fleet.run("window 1024 | rms | quantiles 0.5 0.99", over="vibration").value)

A client is nobody special: it speaks MQTT with the gateway and holds nothing that matters. Plans
and samples are checked here first, so that a mistake costs no round trip. A `Fleet` may be shared
by threads, not by processes: after a fork, connect anew. Errors are those of `client_errors`;
docs/client.md has the whole of it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, NamedTuple, Self

from atoll.gateway.client_errors import FleetError, Incomplete, Refused
from atoll.gateway.client_put import PutOptions, PutResult, put_streams
from atoll.gateway.client_samples import Stretch, array_of, joined
from atoll.gateway.client_session import Session
from atoll.wire.block import Block, decode_block
from atoll.wire.errors import WireError
from atoll.wire.limits import LISTING_ROWS_MAX, PLAN_BYTES_MAX
from atoll.wire.messages import INCOMPLETE, Command, Get, Reply, Run, Start
from atoll.wire.topics import check_name

Progress = Callable[[int, int], None]
Moment = float | datetime
Span = float | timedelta

# A query without a time limit of its own ends after this; the gateway then says what is missing.
RUN_TIMEOUT_S = 600.0
# What the gateway gets on top of a query's own limit, to say that it was reached.
GRACE_S = 15.0
# Commands are answered from the gateway's memory; a drain answers when it has begun.
COMMAND_TIMEOUT_S = 30.0
# One stream's samples come block by block; this is the longest wait for the next one.
GET_TIMEOUT_S = 30.0
# A broker that dies loses blocks that it had taken; the gateway then counts more than came.
GET_ATTEMPTS = 5


class RunResult(NamedTuple):
    """What a plan says of a dataset.

    `value` and `partial` are those of `Plan.run` and `Plan.partial` on one machine. `missing`
    lists, where `complete` is false, what could not be computed and why. With by="key", `value` and
    `values` hold one value for each stream, and there is no partial.
    """

    value: dict[str, Any]
    partial: bytes
    complete: bool
    missing: list[Any]
    job: str
    elapsed_s: float
    streams: int
    tasks: int
    gaps: int
    values: dict[str, dict[str, Any]]

    def whole(self) -> Self:
        """The result itself if it is complete, else `Incomplete`."""
        if not self.complete:
            raise Incomplete(f"job {self.job}: {len(self.missing)} parts are missing", self.missing)
        return self


def connect(url: str, *, site: str = "home", timeout_s: float = 10.0) -> "Fleet":
    """Connect to the site's gateway by its broker, such as mqtt://user:password@host:1883.

    Raises `Unreachable` when no broker answers within `timeout_s`, or no gateway is there: its
    status is retained on the broker, so that its absence shows at once.
    """
    return Fleet(Session(url, site=site, timeout_s=timeout_s))


class Fleet:
    """A site's devices as one computer. Made by `connect`; a context manager."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; open calls of other threads end with `Closed`. Closing twice is
        allowed.
        """
        self._session.close()

    # --- data ---

    def put(
        self,
        dataset: str,
        samples: Any,
        *,
        key: str,
        rate: float,
        scale: float = 1.0,
        unit: str = "",
        shards: int | None = None,
        replicas: int | None = None,
        start_ms: int | None = None,
        progress: Progress | None = None,
    ) -> PutResult:
        """Append samples to the stream `key`; returns when min(R, live devices) replicas have them
        on disk.

        `samples` is an int16, int32 or float32 array (numpy or `array.array`) of one dimension, or
        of shape (samples, channels): several channels side by side. A value times `scale` is in
        `unit`. `shards` and `replicas` count for a new dataset only.
        `start_ms`: when the first sample was taken (ms since 1970); by default the last one was
        taken now. `progress` is called with (bytes stored, bytes in all).
        """
        options = PutOptions(rate, scale, unit, shards, replicas, start_ms)
        return put_streams(self._session, dataset, {key: samples}, options, progress)

    def put_many(
        self,
        dataset: str,
        streams: Mapping[str, Any],
        *,
        rate: float,
        scale: float = 1.0,
        unit: str = "",
        shards: int | None = None,
        replicas: int | None = None,
        start_ms: int | None = None,
        progress: Progress | None = None,
    ) -> PutResult:
        """As `put`, for many streams by key: small ones share messages, so that thousands take
        seconds.
        """
        options = PutOptions(rate, scale, unit, shards, replicas, start_ms)
        return put_streams(self._session, dataset, streams, options, progress)

    def get(
        self,
        dataset: str,
        key: str,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        last: Span | None = None,
    ) -> Any:
        """The raw samples of a stream: a numpy array where there is numpy, else `array.array`."""
        found = self.fetch(dataset, key, since=since, until=until, last=last)
        return array_of(found.info.dtype, found.data, found.info.channels)

    def fetch(
        self,
        dataset: str,
        key: str,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        last: Span | None = None,
    ) -> Stretch:
        """The same with what the stream is, when the first sample was taken, and where gaps are."""
        check_name(dataset, "dataset")
        span = _range(since, until, last)
        for _ in range(GET_ATTEMPTS):
            body, blocks = self._blocks(dataset, key, span)
            start, stop = int(body["start"]), int(body["stop"])
            inside = [
                block
                for block in blocks
                if block.first_sample < stop and block.first_sample + block.sample_count > start
            ]
            if not inside and not body["blocks"]:
                raise Refused(
                    f"dataset {dataset!r}, stream {key!r}: no samples in that range of time"
                )
            if len(inside) == body["blocks"]:
                return joined(inside, start, stop)
        raise FleetError(
            f"stream {key!r}: {len(inside)} of {body['blocks']} blocks came;"
            " the broker loses messages"
        )

    def _blocks(
        self, dataset: str, key: str, span: tuple[int, int, int]
    ) -> tuple[dict[str, Any], list[Block]]:
        """What the gateway says of a read in the end, and the blocks that came, each once: a
        gateway or a broker that started anew sends them from the beginning.
        """
        call = self._session.submit(lambda number: Get(number, dataset, key, *span))
        blocks: dict[int, Block] = {}
        with self._session.waiting(call):
            for reply in self._session.replies(call, GET_TIMEOUT_S):
                if reply.blob:
                    block = _block(reply.blob)
                    blocks[block.seq] = block
        return json.loads(reply.body), [blocks[seq] for seq in sorted(blocks)]

    def datasets(self) -> list[dict[str, Any]]:
        """The datasets with their type, streams, samples, bytes, shards, replicas and range of
        time.
        """
        return self._listing("datasets")

    def rm(self, dataset: str) -> dict[str, Any]:
        """Delete a dataset from every device."""
        return self._order("rm", dataset)

    # --- computation ---

    def run(
        self,
        plan: Any,
        over: str,
        *,
        by: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        last: Span | None = None,
        timeout_s: float | None = None,
        progress: Progress | None = None,
    ) -> RunResult:
        """Run a plan (text or `Plan`) over what the dataset holds; by="key" also gives a value per
        stream.

        The result equals `Plan.run` on a mapping of the same streams, byte for byte in `partial`. A
        mistake in the plan raises `PlanError` with a caret under it. After `timeout_s` the result
        has `complete` False and says what is missing. `progress` is called with (tasks done, tasks
        in all).
        """
        checked = _plan(plan)
        data = _as_data(checked)
        check_name(over, "dataset")
        if by not in (None, "key"):
            raise Refused(f"by={by!r}: only by='key' is known")
        limit_s = RUN_TIMEOUT_S if timeout_s is None else timeout_s
        span = _range(since, until, last)
        limit_ms = max(1, int(limit_s * 1000))
        call = self._session.submit(
            lambda number: Run(*(number, checked.text, over, by == "key", *span, limit_ms), data)
        )
        with self._session.waiting(call):
            for reply in self._session.replies(call, limit_s + GRACE_S):
                if progress is not None and reply.body:
                    body = json.loads(reply.body)
                    if "tasks" in body:
                        progress(int(body.get("done", body["tasks"])), int(body["tasks"]))
        return _result(checked, reply)

    def start(
        self, name: str, plan: Any, over: str, *, every: int | str | None = None
    ) -> dict[str, Any]:
        """Start a standing job: one result for each new batch of `every` samples (or a time such as
        "10s").
        """
        checked = _plan(plan)
        data = _as_data(checked)
        check_name(name, "job")
        check_name(over, "dataset")
        words = "" if every is None else str(every)
        answer: dict[str, Any] = self._ask(
            lambda number: Start(number, name, checked.text, over, words, data)
        )
        return answer

    def stop(self, name: str) -> dict[str, Any]:
        """End a standing job."""
        return self._order("stop", name)

    def watch(self, name: str, *, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
        """The results of a standing job as they come, the newest first of all.

        Ends when the job does, or raises `TimedOut` when no result came for `timeout_s`. When the
        caller is slower than the job, older results are left out: each stands for its own window.
        """
        check_name(name, "job")
        known = [row["job"] for row in self.jobs() if row["kind"] == "standing"]
        if name not in known:
            there = ", ".join(known) or "none"
            raise Refused(f"no standing job {name!r}; there are: {there}")
        return self._session.follow_results(name, timeout_s)

    def jobs(self) -> list[dict[str, Any]]:
        """The queries and standing jobs, open and recent."""
        return self._listing("jobs")

    def cancel(self, job: str) -> dict[str, Any]:
        """Give a query up."""
        return self._order("cancel", job)

    # --- devices ---

    def status(self) -> dict[str, Any]:
        """The site in one dictionary: devices by state, replicas, jobs, counters, takeovers."""
        answer: dict[str, Any] = self._ask(lambda number: Command(number, "status", ""))
        return answer

    def devices(self) -> list[dict[str, Any]]:
        """The devices with their state, weight, shards and health."""
        return self._long_listing("devices", lambda last: last["id"] if last else "")

    def shards(self, dataset: str | None = None) -> list[dict[str, Any]]:
        """Which devices hold which shards of a dataset, or of all."""
        names = [dataset] if dataset else [row["name"] for row in self.datasets()]
        return [row for name in names for row in self._shards_of(name)]

    def _shards_of(self, name: str) -> list[dict[str, Any]]:
        return self._long_listing(
            "shards", lambda last: f"{name} {last['shard']}" if last else name
        )

    def explain(self, what: str) -> dict[str, Any]:
        """What would move: `drain ID`, `lose ID`, `lose zone Z`, `add CAPACITY [ZONE]`; or why a
        shard is where it is: `DATASET/NUMBER`.
        """
        answer: dict[str, Any] = self._ask(lambda number: Command(number, "explain", what))
        return answer

    def drain(self, device: str) -> dict[str, Any]:
        """Move everything off a device; it takes no new data until `undrain`."""
        return self._order("drain", device)

    def undrain(self, device: str) -> dict[str, Any]:
        """Let a drained device hold data again."""
        return self._order("undrain", device)

    def retention(
        self, dataset: str, *, keep_s: float | None = None, keep_bytes: int | None = None
    ) -> dict[str, Any]:
        """How long, and how many bytes a copy, are kept of a dataset: 0 keeps all, None changes
        nothing. Gives what holds now: `keep_s`, `keep_bytes`.
        """
        words = ["-" if value is None else str(int(value)) for value in (keep_s, keep_bytes)]
        check_name(dataset, "dataset")
        target = " ".join([dataset, *words])
        now: dict[str, Any] = self._ask(lambda number: Command(number, "retention", target))
        return now

    def trust(self, device: str) -> dict[str, Any]:
        """Let a device that is under audit work again."""
        return self._order("trust", device)

    def forget(self, device: str) -> dict[str, Any]:
        """Remove a device that will not come back."""
        return self._order("forget", device)

    # --- how ---

    def _ask(self, build: Callable[[int], Any]) -> Any:
        call = self._session.submit(build)
        with self._session.waiting(call):
            *_, reply = self._session.replies(call, COMMAND_TIMEOUT_S)
        return json.loads(reply.body) if reply.body else {}

    def _order(self, verb: str, target: str) -> dict[str, Any]:
        check_name(target, {"rm": "dataset", "stop": "job", "cancel": "job"}.get(verb, "device"))
        answer: dict[str, Any] = self._ask(lambda number: Command(number, verb, target))
        return answer

    def _listing(self, verb: str, target: str = "") -> list[dict[str, Any]]:
        answer = self._ask(lambda number: Command(number, verb, target))
        rows: list[dict[str, Any]] = answer[verb] if isinstance(answer, dict) else answer
        return rows

    def _long_listing(
        self, verb: str, target: Callable[[dict[str, Any] | None], str]
    ) -> list[dict[str, Any]]:
        """A listing that may be longer than one reply: `target` asks on behind its last row."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._listing(verb, target(found[-1] if found else None))
            if found and page[:1] == found[:1]:
                return found  # of a gateway that gives all at once
            found += page
            if len(page) != LISTING_ROWS_MAX:
                return found


def _plan(plan: Any) -> Any:
    """The plan, parsed and checked here before anybody is asked."""
    from atoll.kernels import Plan

    return plan if isinstance(plan, Plan) else Plan(plan)


def _as_data(plan: Any) -> bytes:
    """The canonical form, where the plan's models do not stand in its text."""
    if "@" not in plan.text:
        return b""
    if len(plan.canonical) > PLAN_BYTES_MAX:
        raise Refused(
            f"the plan takes {len(plan.canonical):,} bytes with its models, a site's messages carry"
            f" {PLAN_BYTES_MAX:,}: a smaller model is needed"
        )
    data: bytes = plan.canonical
    return data


def _range(since: Moment | None, until: Moment | None, last: Span | None) -> tuple[int, int, int]:
    """since_ms, until_ms and last_ms of the messages."""
    if last is not None and (since is not None or until is not None):
        raise Refused("last= goes alone, without since= and until=")
    span_s = last.total_seconds() if isinstance(last, timedelta) else last or 0.0
    if span_s < 0:
        raise Refused(f"last={span_s}: a span of time is above 0")
    return _ms(since), _ms(until), int(span_s * 1000)


def _ms(moment: Moment | None) -> int:
    if moment is None:
        return -1
    at_s = moment.timestamp() if isinstance(moment, datetime) else moment
    return int(at_s * 1000)


def _block(data: bytes) -> Block:
    try:
        return decode_block(data)
    except WireError as error:
        raise FleetError(f"a block came damaged: {error}") from None


def _result(plan: Any, reply: Reply) -> RunResult:
    """A query's result from its last reply; the value is finished here, from the partial."""
    body = json.loads(reply.body)
    values = {key: _numbers(value) for key, value in body.get("values", {}).items()}
    return RunResult(
        value=plan.finish(reply.blob) if reply.blob else values,
        partial=reply.blob,
        complete=bool(body["complete"]) and reply.status != INCOMPLETE,
        missing=list(body["missing"]),
        job=str(body["job"]),
        elapsed_s=float(body.get("elapsed_s", 0.0)),
        streams=int(body.get("streams", 0)),
        tasks=int(body.get("tasks", 0)),
        gaps=int(body.get("gaps", 0)),
        values=values,
    )


_SPECIAL = {text: float(text) for text in ("nan", "inf", "-inf")}


def _numbers(value: Any) -> Any:
    """Turn the strings that stand for NaN and infinities in JSON back into numbers."""
    if isinstance(value, str):
        return _SPECIAL.get(value, value)
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return value
