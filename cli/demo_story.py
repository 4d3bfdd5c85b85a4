"""What the demonstration does, step by step; `demo` tells it and judges it.

    data in -> three queries -> many small tasks -> a query during which a device is killed -> whole
    again -> the three queries once more -> all of it once more on one machine

Nothing here is arranged for the fleet's benefit: it is used through the client only, the device is
killed by SIGKILL at the moment when the broker shows that it has answered some of its tasks and not
all, and the comparison is of bytes.
"""

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from atoll.cli.demo_check import disagreement
from atoll.cli.demo_data import KILL_PLAN, OVERHEAD_PLAN, Material, pieces, queries
from atoll.cli.site import LocalSite, SiteError, pss_mb, wait_until
from atoll.gateway.client import Fleet, RunResult
from atoll.gateway.client_mail import Mail
from atoll.kernels import Plan
from atoll.wire.codec import decode
from atoll.wire.errors import WireError
from atoll.wire.messages import Partials, Tasks
from atoll.wire.topics import Topics

MACHINE = "machine"
MACHINE_SOURCE = f"{MACHINE}=proc:100hz"
PIECES_DATASET = "sensors"
STANDING = "machine-load"
STANDING_PLAN = "window 10 | mean, peak | minmax"
STANDING_EVERY = 50
OVERHEAD_ROUNDS = 5
# Copies of what the dead device held: out after 2 s in the demo profile, then megabytes at most.
RESTORE_TIMEOUT_S = 30.0
_KILL_ATTEMPTS = 3

Say = Callable[[str], None]


class Row(NamedTuple):
    """One query: what it took and how it compares. `equal` is of partials, byte for byte."""

    plan: str
    over: str
    when: str
    fleet_s: float
    local_s: float
    tasks: int
    complete: bool
    equal: bool
    disagreement: float | None
    value: dict[str, Any]


class Loss(NamedTuple):
    """The device that was killed and what followed, in seconds after the gateway saw it gone."""

    device: str
    tasks_sent: int
    tasks_answered: int
    shards: int
    moved_bytes: int
    takeover_s: float | None
    restored_s: float | None
    recovered_s: float


class Story:
    """The steps over one site; each returns or keeps what the judgement needs."""

    def __init__(self, site: LocalSite, fleet: Fleet, say: Say) -> None:
        self._site = site
        self._fleet = fleet
        self._say = say
        self._locals: dict[tuple[str, str], tuple[bytes, float]] = {}
        self._streams: dict[str, dict[str, Any]] = {}
        self.rows: list[Row] = []

    # --- data ---

    def load(self, material: Material) -> None:
        """Store the material, and its pieces as many small streams."""
        fleet = self._fleet
        started_s = time.monotonic()
        for each in material.recordings:
            fleet.put(
                material.name,
                each.samples,
                key=each.key,
                rate=each.rate_hz or 1.0,
                scale=each.scale,
                unit=each.unit,
            )
        self._streams[material.name] = material.streams
        took_s = time.monotonic() - started_s
        megabytes = material.byte_count / 1e6
        self._say(
            f"{len(material.recordings)} streams ({material.source}): "
            f"{material.sample_count:,} samples, {megabytes:.1f} MB, "
            f"two copies of each on disk after {took_s:.1f} s"
        )
        small = pieces(material.recordings)
        result = fleet.put_many(PIECES_DATASET, small, rate=material.recordings[0].rate_hz or 1.0)
        self._streams[PIECES_DATASET] = dict(small)
        self._say(f"{len(small):,} short streams cut from them, after {result.elapsed_s:.1f} s")

    # --- queries ---

    def ask(self, plan: str, over: str, when: str) -> Row:
        """Run a plan over the fleet and on this machine, and compare."""
        started_s = time.perf_counter()
        result = self._fleet.run(plan, over=over)
        return self._compare(plan, over, when, result, time.perf_counter() - started_s)

    def _compare(self, plan: str, over: str, when: str, result: RunResult, took_s: float) -> Row:
        partial, local_s = self._local(plan, over)
        streams = self._streams[over]
        checked = when != "kill" and over != PIECES_DATASET
        row = Row(
            plan=plan,
            over=over,
            when=when,
            fleet_s=took_s,
            local_s=local_s,
            tasks=result.tasks,
            complete=result.complete,
            equal=result.partial == partial,
            disagreement=disagreement(plan, streams, result.value) if checked else None,
            value=result.value,
        )
        self.rows.append(row)
        return row

    def _local(self, plan: str, over: str) -> tuple[bytes, float]:
        """The same on one machine: the partial's bytes, and the seconds it took."""
        if (plan, over) not in self._locals:
            machine = Plan(plan)
            streams = self._streams[over]
            started_s = time.perf_counter()
            parts = [machine.partial(streams[key], key=key) for key in sorted(streams)]
            merged = machine.merge(parts)
            self._locals[plan, over] = merged, time.perf_counter() - started_s
        return self._locals[plan, over]

    def ask_three(self, material: Material, when: str) -> None:
        """The three queries."""
        rows = [self.ask(plan, material.name, when) for plan in queries(material.recordings)]
        shown = ", ".join(f"{row.fleet_s * 1000:.0f} ms" for row in rows)
        self._say(f"three queries ({when}): {shown}")

    def task_overhead_us(self) -> float:
        """What the fleet adds to a task: the wall time of many small ones, less their computation,
        by their number.
        """
        spent = []
        for _ in range(OVERHEAD_ROUNDS):
            row = self.ask(OVERHEAD_PLAN, PIECES_DATASET, "many tasks")
            spent.append((row.fleet_s - row.local_s) / row.tasks * 1e6)
        overhead_us = statistics.median(spent)
        self._say(
            f"{row.tasks:,} tasks in one query: {overhead_us:.0f} µs a task beside its computation"
        )
        return overhead_us

    # --- a loss ---

    def lose(self, victim: str) -> Loss:
        """Kill a device in the middle of a query, and wait until every shard has all its copies
        again.
        """
        held = [shard for shard in self._fleet.shards() if victim in shard["holders"]]
        for _ in range(_KILL_ATTEMPTS):
            trap = _Trap(self._site, victim)
            try:
                started_s = time.perf_counter()
                result = self._fleet.run(KILL_PLAN, over=PIECES_DATASET)
                took_s = time.perf_counter() - started_s
            finally:
                trap.close()
            if trap.sprung:
                break
            # The query was over before the device could be caught with work left: once more.
        else:
            trap.kill()
        self._compare(KILL_PLAN, PIECES_DATASET, "kill", result, took_s)
        self._say(
            f"{victim} killed (SIGKILL) with {trap.sent - trap.answered} of its {trap.sent} tasks "
            f"unanswered; the query ended after {took_s * 1000:.0f} ms, "
            f"{'complete' if result.complete else 'INCOMPLETE'}"
        )
        recovered_s = wait_until(
            lambda: self._is_whole(victim), RESTORE_TIMEOUT_S, "every shard has its copies again"
        )
        takeover: dict[str, Any] = self._takeover(victim) or {}
        loss = Loss(
            device=victim,
            tasks_sent=trap.sent,
            tasks_answered=trap.answered,
            shards=len(held),
            moved_bytes=int(takeover.get("bytes") or 0),
            takeover_s=takeover.get("takeover_s"),
            restored_s=takeover.get("restored_s"),
            recovered_s=recovered_s,
        )
        self._say(
            f"its {loss.shards} shards: work taken over after {_s(loss.takeover_s)}, "
            f"{loss.moved_bytes / 1e6:.1f} MB copied, all copies whole after {_s(loss.restored_s)}"
        )
        return loss

    def _takeover(self, victim: str) -> dict[str, Any] | None:
        takeovers = self._fleet.status().get("takeovers", [])
        return next((each for each in reversed(takeovers) if each["device"] == victim), None)

    def _is_whole(self, victim: str) -> bool:
        takeover = self._takeover(victim)
        if takeover is None or takeover.get("restored_s") is None:
            return False
        return all(shard["copies"] >= shard["wanted"] for shard in self._fleet.shards())

    # --- what is left ---

    def copies_min(self) -> int:
        """Copies of the shard that has the fewest, once the newest live block has been copied."""

        def whole() -> bool:
            return all(shard["copies"] >= shard["wanted"] for shard in self._fleet.shards())

        try:
            wait_until(whole, RESTORE_TIMEOUT_S, "every shard has its copies")
        except SiteError as error:
            self._say(str(error))
        return min(int(shard["copies"]) for shard in self._fleet.shards())

    def miscounted(self, material: Material) -> tuple[int, int]:
        """Samples that the fleet does not count, and that it counts too often, stream by stream."""
        counted = self._fleet.run("count", over=material.name, by="key").values
        lost = duplicated = 0
        for key, samples in material.streams.items():
            found = int(counted.get(key, {}).get("count", 0))
            lost += max(0, len(samples) - found)
            duplicated += max(0, found - len(samples))
        return lost, duplicated

    def pss_mb(self) -> dict[str, float]:
        """Memory of each device process."""
        sizes = {
            name: pss_mb(child.pid) for name, child in self._site.devices.items() if child.alive()
        }
        return {name: round(size, 1) for name, size in sizes.items() if size is not None}


class _Trap:
    """Watches a device's tasks and answers on the broker, and kills it when it has answered some
    and not all.
    """

    def __init__(self, site: LocalSite, victim: str) -> None:
        self.sent = 0
        self.answered = 0
        self.sprung = False
        self._child = site.devices[victim]
        self._lock = threading.Lock()
        topics = Topics(site.site)
        self._mail = Mail(site.url, client_id=f"trap-{os.urandom(4).hex()}")
        self._mail.open(5.0)
        self._mail.subscribe(topics.down(victim, "task"), self._tasks)
        self._mail.subscribe(topics.up(victim, "partial"), self._partials)
        # Subscribed before the query starts: a message to itself has come back.
        self._settled = threading.Event()
        probe = f"{topics.base}/client/trap/reply"
        self._mail.subscribe(probe, lambda *_: self._settled.set())
        self._mail.publish(probe, b"\x00")
        self._settled.wait(2.0)

    def _tasks(self, _topic: str, payload: bytes, _retained: bool) -> None:
        message = _decoded(payload)
        if isinstance(message, Tasks):
            self.sent += len(message.tasks)

    def _partials(self, _topic: str, payload: bytes, _retained: bool) -> None:
        message = _decoded(payload)
        if not isinstance(message, Partials) or message.job == STANDING or self.sprung:
            return
        self.answered += len(message.results)
        if 0 < self.answered < self.sent:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, once."""
        with self._lock:
            if not self.sprung:
                self.sprung = True
                os.kill(self._child.pid, signal.SIGKILL)

    def close(self) -> None:
        self._mail.close()


def _decoded(payload: bytes) -> Any:
    try:
        return decode(payload)
    except WireError:
        return None


def _s(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"
