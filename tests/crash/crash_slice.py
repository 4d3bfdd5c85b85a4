"""One slice of the campaign: a fresh site, its load, kills of each kind, and the reckoning."""

import sqlite3
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from crash_disks import check_disks, read_stream
from crash_load import Follower, Tally, Worker, Writer
from crash_oracle import Batch, Book, Found, batches
from crash_site import BACK_S, LIVE_RATE_HZ, SITE, CrashSite
from crash_watch import Watch

from atoll.cli.site import SiteError, wait_until
from atoll.gateway.client_errors import FleetError
from atoll.kernels import Plan

KINDS = ("gateway", "device", "broker")
DEVICES = 4
SPREAD_S = 0.6  # a kill comes at a random time up to this after the last one's end
HASTY = 0.3  # the share of kills that do not wait until what was killed before is back
FORGET_EVERY = 10  # kills of the broker, after which its store is deleted
LIVE_JOB, LIVE_DATASET, LIVE_KEY = "live", "live", "device-1/live"
LIVE_PLAN = "window 20 | mean, peak | minmax"
LIVE_EVERY = 500
LIVE_SAMPLES = 20_000
SETTLE_S = 90.0


class Options(NamedTuple):
    """What a slice is told; `kills`: of each kind."""

    folder: Path
    kills: int
    seed: int


class Slice:
    """A site under load."""

    def __init__(self, options: Options, progress: Callable[[int], None]) -> None:
        self._random = Random(options.seed)
        self._kills = options.kills
        self._folder = options.folder
        self._progress = progress
        self.tally = Tally()
        self.killed: Counter[str] = Counter()
        self.recovery_s: dict[str, list[float]] = defaultdict(list)
        self.hasty = 0
        self.stores_deleted = 0
        self._pending: dict[str, tuple[int, float]] = {}  # killed, not seen to be back
        self._live = self._folder / "live.npy"

    def run(self) -> dict[str, Any]:
        """The whole slice; what it counted and found."""
        began = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(self._random.randrange(1 << 30))
        np.save(self._live, noise.integers(-999, 999, LIVE_SAMPLES, dtype="i2"))
        site = CrashSite(self._folder, DEVICES, self._live)
        try:
            with site:
                self._under_load(site)
        except (SiteError, FleetError, ValueError) as error:
            self.tally.problem("wrong", str(error))
        return self._result(time.monotonic() - began)

    def _under_load(self, site: CrashSite) -> None:
        watch = Watch(site.broker.url, SITE, self.tally.problem)
        try:
            workers = self._workers(site, watch)
            workers[0].fleet.start(LIVE_JOB, LIVE_PLAN, LIVE_DATASET, every=LIVE_EVERY)
            for worker in workers:
                worker.start()
            self._kill_all(site, watch)
            if not self.tally.broken:
                self._settle(site, watch, workers)
        finally:
            self.tally.ended.set()
            watch.wake()
            watch.close()

    def _workers(self, site: CrashSite, watch: Watch) -> list[Any]:
        seeds = [self._random.randrange(1 << 30) for _ in range(3)]
        where = site.broker.url, SITE
        writers = [Writer(f"writer{n}", *where, seeds[n], self.tally) for n in range(2)]
        return [*writers, Follower("follower", *where, seeds[2], self.tally, watch)]

    # --- killing ---------------------------------------------------------------------------------

    def _kill_all(self, site: CrashSite, watch: Watch) -> None:
        turns = list(KINDS) * self._kills
        self._random.shuffle(turns)
        brokers = 0
        for number, kind in enumerate(turns):
            if self.tally.ended.wait(self._random.uniform(0, SPREAD_S)):
                return
            name = self._victim(kind, site)
            brokers += kind == "broker"
            forget = kind == "broker" and brokers % FORGET_EVERY == FORGET_EVERY // 2
            self._kill(site, watch, name, forget=forget)
            if self._random.random() < HASTY and number + 1 < len(turns):
                self.hasty += 1
            else:
                self._await_all(site, watch)
            self._progress(number + 1)
        self._await_all(site, watch)

    def _victim(self, kind: str, site: CrashSite) -> str:
        """Never two devices at once: a shard has two copies."""
        if kind != "device":
            return kind
        away = [name for name in self._pending if name in site.names]
        return away[0] if away else self._random.choice(site.names)

    def _kill(self, site: CrashSite, watch: Watch, name: str, *, forget: bool) -> None:
        for text in site.dead():
            self.tally.problem("wrong", text)
        boot = watch.boot("" if name == "gateway" else name)
        site.child(name).kill()
        if forget:
            self.stores_deleted += 1
            site.broker.forget()
        site.start(name)
        self.killed["device" if name in site.names else name] += 1
        self._pending[name] = (boot, time.monotonic())

    def _await_all(self, site: CrashSite, watch: Watch) -> None:
        """All that was killed is back, and each client has got something done since."""
        before = self.tally.steps()
        for name, (boot, killed_s) in self._pending.items():
            if not site.back(name, watch, boot):
                self.tally.problem("lost", f"{name} is not back: {site.child(name).tail()}")
                return
            kind = "device" if name in site.names else name
            if kind != "broker":
                self.recovery_s[kind].append(time.monotonic() - killed_s)
        late = self.tally.wait_steps(before, BACK_S + 60)
        if late:
            self.tally.problem("lost", f"{', '.join(late)}: no answer")
        for name, (_, killed_s) in self._pending.items():
            if name == "broker":
                self.recovery_s[name].append(time.monotonic() - killed_s)
        self._pending.clear()

    # --- the reckoning ---------------------------------------------------------------------------

    def _settle(self, site: CrashSite, watch: Watch, workers: list[Any]) -> None:
        """Everything is back: all that was acknowledged must be there, in answers and on disks."""
        self.tally.ended.set()
        watch.wake()
        for worker in workers:
            worker.join(SETTLE_S)
            if worker.is_alive():
                self.tally.problem("lost", f"{worker.name} is not answered")
        if self.tally.broken:
            return
        self.tally.ended.clear()
        *writers, follower = workers
        self._check_live(site, watch, follower)
        self._check_marks(follower)
        for writer in writers:
            writer.check_all()
        wait_until(
            lambda: all(shard["copies"] >= shard["wanted"] for shard in follower.fleet.shards()),
            SETTLE_S,
            "every shard has its copies",
        )
        for worker in workers:
            worker.fleet.close()
        site.__exit__()
        books = [worker.book for worker in workers]
        self.tally.found(check_disks(self._folder, site.names, books))

    def _mark(self, job: str, key: str) -> int:
        """How far a stream is merged without a hole, by the ledger."""
        path = f"file:{self._folder}/gateway/ledger.sqlite?mode=ro"
        with sqlite3.connect(path, uri=True) as ledger:
            words = (job, key)
            row = ledger.execute("SELECT sample FROM mark WHERE job = ? AND key = ?", words)
            return int((row.fetchone() or (-1,))[0])

    def _check_live(self, site: CrashSite, watch: Watch, worker: Worker) -> None:
        """Of all that the sampling device has on its disk the gateway knows, and every window of it
        is merged, and is right.
        """
        site.end_sampler()
        samples, anchors = read_stream(self._folder / site.names[0], LIVE_DATASET, LIVE_KEY)
        site.start_without_source()
        wanted = batches(samples, anchors, 0, LIVE_EVERY)
        self._await_mark(LIVE_JOB, LIVE_KEY, wanted[-1].first + len(wanted[-1].samples))
        self.tally.found(compare_batches(watch, wanted))
        self.tally.add("live windows", len(wanted))
        book = Book(LIVE_DATASET, LIVE_RATE_HZ)
        book.add({LIVE_KEY: samples})
        found: dict[str, int] = {}

        def counted() -> bool:
            result = worker.ask("count", lambda: worker.fleet.run("count", LIVE_DATASET, by="key"))
            values = {} if result is None else result.values
            found.update({key: int(value["count"]) for key, value in values.items()})
            return not book.compare_counts(found)

        with suppress(SiteError):
            wait_until(counted, SETTLE_S, "all live samples are known")
        self.tally.found(book.compare_counts(found))

    def _check_marks(self, follower: Follower) -> None:
        """The standing job has merged each window that was put, and no more."""
        for key, samples in follower.book.streams.items():
            self._await_mark(follower.job, key, len(samples))

    def _await_mark(self, job: str, key: str, end: int) -> None:
        with suppress(SiteError):
            wait_until(lambda: self._mark(job, key) >= end, SETTLE_S, f"{job} has merged {key}")
        mark = self._mark(job, key)
        if mark != end:
            text = f"{job}: {key} is merged up to {mark}, not {end}"
            self.tally.problem("lost" if mark < end else "duplicated", text)

    def _result(self, seconds: float) -> dict[str, Any]:
        recovery = {
            kind: [round(statistics.median(found), 2), round(max(found), 2)]
            for kind, found in self.recovery_s.items()
        }
        return {
            "kills": {kind: self.killed[kind] for kind in KINDS},
            "hasty": self.hasty,
            "stores_deleted": self.stores_deleted,
            "recovery_s": recovery,
            "counts": dict(self.tally.counts),
            "texts": self.tally.texts[-20:],
            "seconds": round(seconds, 1),
        }


def compare_batches(watch: Watch, wanted: list[Batch]) -> Found:
    """The live job's partials that were seen on the broker, with those of what is stored."""
    plan = Plan(LIVE_PLAN)
    problems: Found = []
    known = {batch.first: batch for batch in wanted}
    for (job, key, sample), data in list(watch.partials.items()):
        if job != LIVE_JOB:
            continue
        batch = known.get(sample)
        if batch is None:
            problems.append(("duplicated", f"{job}: a window at {sample} that overlaps another"))
            continue
        place = {"start": sample, "anchor": batch.anchor, "key": key}
        if plan.partial(batch.samples, float(LIVE_RATE_HZ), **place) != data:
            problems.append(("wrong", f"{job}: {key} at {sample}"))
    return problems
