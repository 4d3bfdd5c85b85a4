"""The load of the campaign: clients that put, ask and wait, each comparing what it is told with
what it knows.

Each worker is a thread with a session and datasets of its own, so that what it knows is a sequence:
a query that follows an acknowledged put must hold exactly the acknowledged samples, whatever is
killed meanwhile.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from crash_oracle import Book, Found
from crash_watch import Watch

from atoll.gateway.client import Fleet, RunResult, connect
from atoll.gateway.client_errors import FleetError, Refused
from atoll.gateway.jsonable import dumps
from atoll.kernels import Plan

RATE_HZ = 1_000.0
SHARDS = 8
KEYS = 8
DATASET_SAMPLES = 300_000  # then it is compared whole, removed, and another one begun
STREAM_SAMPLES = 150_000  # below what one task takes, so that what is missing is a whole stream
ANSWER_S = 90.0  # a query that was not answered whole by then is lost
PLANS = (
    "moments",
    "minmax",
    "quantiles 0.5 0.99",
    "window 64 hop=32 | rms, kurtosis | quantiles 0.5 0.9",
    "biquad lowpass 100 | moments",
    "diff | histogram -500 500 bins=32",
)
STANDING_PLAN = "window 32 | mean, peak | minmax"
STANDING_EVERY = 512
STANDING_KEYS = ("a", "b", "c", "d")
WINDOW_S = 90.0
PAUSE_S = 0.2  # after a refusal: nothing says when it is worth asking again


class Tally:
    """What the workers did and found; `ended` is set when they are to stop, `broken` says that a
    promise was not kept.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.texts: list[str] = []
        self.ended = threading.Event()
        self.broken = False
        self._changed = threading.Condition()
        self._steps: Counter[str] = Counter()

    def add(self, name: str, by: int = 1) -> None:
        """Count something."""
        with self._changed:
            self.counts[name] += by

    def problem(self, kind: str, text: str) -> None:
        """A broken promise ends the campaign: what follows would only hide it."""
        with self._changed:
            self.counts[kind] += 1
            self.texts.append(f"{kind}: {text}")
            self.broken = True
            self._changed.notify_all()
        self.ended.set()

    def found(self, problems: Found) -> None:
        """Several of them."""
        for kind, text in problems:
            self.problem(kind, text)

    def note(self, text: str) -> None:
        """Something a person may want to know of a run that failed."""
        with self._changed:
            self.texts.append(text)

    def stepped(self, worker: str) -> None:
        """A worker has done one thing."""
        with self._changed:
            self._steps[worker] += 1
            self._changed.notify_all()

    def steps(self) -> dict[str, int]:
        """How many things each has done."""
        with self._changed:
            return dict(self._steps)

    def wait_steps(self, before: dict[str, int], timeout_s: float) -> list[str]:
        """Wait until each worker has done one more thing; those who have not."""

        def late() -> list[str]:
            return [name for name, count in before.items() if self._steps[name] <= count]

        with self._changed:
            self._changed.wait_for(lambda: self.ended.is_set() or not late(), timeout_s)
            return [] if self.ended.is_set() else late()


class Worker(threading.Thread):
    """One client."""

    def __init__(self, name: str, url: str, site: str, seed: int, tally: Tally) -> None:
        super().__init__(name=name, daemon=True)
        self.tally = tally
        self.random = np.random.default_rng(seed)
        self.fleet: Fleet = connect(url, site=site)
        self.generation = 0

    def run(self) -> None:
        """Until the campaign ends."""
        try:
            while not self.tally.ended.is_set():
                self.step()
                self.tally.stepped(self.name)
        except Exception as error:
            self.tally.problem("wrong", f"{self.name}: {type(error).__name__}: {error}")

    def step(self) -> None:
        """One thing."""
        raise NotImplementedError

    def ask(self, what: str, call: Callable[[], Any]) -> Any:
        """An answer, however often it has to be asked for; None once the campaign has ended."""
        until = time.monotonic() + ANSWER_S
        while True:
            try:
                return call()
            except FleetError as error:
                self.tally.add("asked again")
                self.tally.note(f"{self.name}: {what}: {error}")
                if time.monotonic() > until:
                    self.tally.problem("lost", f"{self.name}: {what} is not answered: {error}")
                    return None
                if isinstance(error, Refused):
                    self.tally.ended.wait(PAUSE_S)

    def put(self, book: Book, batch: dict[str, Any]) -> bool:
        """Put a batch; False if nobody said that it is stored."""
        try:
            self.fleet.put_many(book.dataset, batch, rate=RATE_HZ, shards=SHARDS, replicas=2)
        except FleetError as error:
            self.tally.add("puts in doubt")
            self.tally.note(f"{self.name}: put into {book.dataset}: {error}")
            for key, samples in batch.items():
                self.tally.found(book.doubtful(key, samples, self.samples(book, key)))
            return False
        book.add(batch)
        self.tally.add("puts")
        self.tally.add("samples", sum(map(len, batch.values())))
        return True

    def samples(self, book: Book, key: str) -> Any:
        """All samples of a stream; empty if there is none."""

        def read() -> Any:
            try:
                return self.fleet.get(book.dataset, key)
            except Refused as error:
                if "no samples" in str(error) or "no stream" in str(error):
                    return np.empty(0, "i2")
                raise

        found = self.ask(f"get {book.dataset}/{key}", read)
        return np.empty(0, "i2") if found is None else found

    def remove(self, dataset: str) -> None:
        """Remove a dataset; said again after a crash, it is gone already."""

        def order() -> bool:
            try:
                self.fleet.rm(dataset)
            except Refused:
                return dataset not in [row["name"] for row in self.fleet.datasets()] or self._no()
            return True

        self.ask(f"rm {dataset}", order)

    @staticmethod
    def _no() -> bool:
        raise Refused("it is still there")


class Writer(Worker):
    """Puts into many streams, and asks in between."""

    def __init__(self, name: str, url: str, site: str, seed: int, tally: Tally) -> None:
        super().__init__(name, url, site, seed, tally)
        self._renew()

    def _renew(self) -> None:
        self.generation += 1
        self.dtype = ("i2", "i4", "f4")[self.generation % 3]
        self.book = Book(f"{self.name}-{self.generation}", RATE_HZ)

    def step(self) -> None:
        """A put, a query or a read."""
        roll = self.random.random()
        if self.book.sample_count > DATASET_SAMPLES:
            self.check_all()
            self._abandon()
        elif not self.book.streams or roll < 0.5:
            if not self.put(self.book, self._batch()):
                self._abandon()
        elif roll < 0.85:
            self.query(str(self.random.choice(PLANS)))
        else:
            self.read(str(self.random.choice(sorted(self.book.streams))))

    def _abandon(self) -> None:
        self.remove(self.book.dataset)
        self._renew()

    def _batch(self) -> dict[str, Any]:
        """Samples for some streams: mostly little, sometimes several blocks."""
        batch = {}
        for number in self.random.choice(KEYS, self.random.integers(1, 5), replace=False):
            key = f"k{number}"
            size = int(self.random.choice([1, 60, 2_000, 40_000], p=[0.2, 0.4, 0.35, 0.05]))
            size = int(self.random.integers(1, size + 1))
            if len(self.book.streams.get(key, ())) + size < STREAM_SAMPLES:
                batch[key] = self.random.integers(-999, 999, size).astype(self.dtype)
        return batch or {"spare": np.ones(3, self.dtype)}

    def query(self, text: str) -> None:
        """A query's partial must be the one of the acknowledged samples, byte for byte."""
        plan, book = Plan(text), self.book
        until = time.monotonic() + ANSWER_S
        while True:
            what = f"{text!r} over {book.dataset}"
            result = self.ask(what, lambda: self.fleet.run(text, over=book.dataset, timeout_s=30))
            if result is None:
                return
            without = {entry["key"] for entry in result.missing}
            if result.partial != book.partial(plan, without):
                self._explain(what, plan, result)
            if result.complete:
                break
            self.tally.add("incomplete answers")
            self.tally.note(f"{self.name}: {what}: {result.missing}")
            if time.monotonic() > until:
                self.tally.problem("lost", f"{what} stays incomplete: {result.missing}")
                return
        self.tally.add("queries")

    def _explain(self, what: str, plan: Plan, result: RunResult) -> None:
        """Say whether samples are missing, or there too often, or neither."""
        wanted = plan.finish(self.book.partial(plan, {entry["key"] for entry in result.missing}))
        self.tally.note(f"{what} ({result.job}): {result.value}, not {wanted}")
        counted = self.ask("count", lambda: self.fleet.run("count", self.book.dataset, by="key"))
        values = counted.values if counted is not None else {}
        found = {key: int(value["count"]) for key, value in values.items()}
        problems = self.book.compare_counts(found)
        self.tally.found(problems or [("wrong", f"{what} gives another partial")])

    def read(self, key: str) -> None:
        """A stream's samples, one by one."""
        self.tally.found(self.book.compare_samples(key, self.samples(self.book, key)))
        self.tally.add("reads")
        counters = self.ask("status", self.fleet.status)["counters"]
        for kind in ("lost", "duplicated"):
            if counters[kind]:
                self.tally.problem(kind, f"the gateway itself counts {counters[kind]} {kind}")

    def check_all(self) -> None:
        """Everything that this worker knows."""
        if not self.book.streams:
            return
        for text in PLANS:
            self.query(text)
        for key in sorted(self.book.streams):
            self.read(key)


class Follower(Worker):
    """Puts one window's samples at a time and waits until the standing job shows each of them."""

    def __init__(
        self, name: str, url: str, site: str, seed: int, tally: Tally, watch: Watch
    ) -> None:
        super().__init__(name, url, site, seed, tally)
        self._watch = watch
        self._plan = Plan(STANDING_PLAN)
        self._begin()

    def _begin(self) -> None:
        self.generation += 1
        self.job = f"standing-{self.generation}"
        self.book = Book(f"{self.name}-{self.generation}", RATE_HZ)
        self._put_window()
        words = (self.job, STANDING_PLAN, self.book.dataset)
        self.ask(f"start {self.job}", partial(self.fleet.start, *words, every=STANDING_EVERY))

    def _put_window(self) -> bool:
        size = len(STANDING_KEYS), STANDING_EVERY
        values = self.random.integers(-999, 999, size).astype("i2")
        return self.put(self.book, dict(zip(STANDING_KEYS, values, strict=True)))

    def step(self) -> None:
        """One window of each stream."""
        if not self._put_window():
            self.remove(self.book.dataset)  # and the job over it
            self._begin()
        first = len(self.book.streams[STANDING_KEYS[0]]) - STANDING_EVERY
        for key in STANDING_KEYS:
            self._expect(key, first)

    def _expect(self, key: str, first: int) -> None:
        shown = self._watch.wait_window(self.job, key, first, WINDOW_S, self.tally.ended)
        if self.tally.ended.is_set():
            return
        if shown is None:
            self.tally.problem("lost", f"{self.job}: {key}: no window at {first}")
            return
        samples = self.book.streams[key][first:]
        wanted = self._plan.partial(samples, RATE_HZ, start=first, anchor=0, key=key)
        if shown != json.loads(dumps(self._plan.finish(wanted))):
            self.tally.problem("wrong", f"{self.job}: {key} at {first}: {shown}")
        self.tally.add("windows")
