"""The demonstration's live part: this machine's own counters, recorded for queries and followed by
a standing job.
"""

import json
import threading
import time
from typing import Any

from atoll.cli.demo_data import Material
from atoll.cli.demo_story import MACHINE, STANDING, STANDING_EVERY, STANDING_PLAN
from atoll.cli.files import Recording
from atoll.cli.site import wait_until
from atoll.cli.writers import samples_of
from atoll.gateway.client import Fleet
from atoll.gateway.jsonable import dumps
from atoll.kernels import Plan

_SAMPLES_LEAST = 200


def record(fleet: Fleet, seconds: float) -> Material:
    """Let the machine's counters be sampled for a while and take what is stored."""
    ends_s = time.monotonic() + seconds

    def enough() -> bool:
        rows = [row for row in fleet.datasets() if row["name"] == MACHINE]
        sampled = rows and rows[0]["samples"] >= _SAMPLES_LEAST * rows[0]["streams"]
        return bool(sampled) and time.monotonic() >= ends_s

    wait_until(enough, seconds + 30.0, "the live source has been recorded")
    keys = sorted(fleet.run("count", over=MACHINE, by="key").values)
    recordings = [_recorded(fleet, key) for key in keys]
    return Material("recorded", f"this machine's counters over {seconds:g} s", recordings)


def _recorded(fleet: Fleet, key: str) -> Recording:
    found = fleet.fetch(MACHINE, key)
    return Recording(key, samples_of(found), found.info.rate_hz, found.info.scale, found.info.unit)


class Follower:
    """Starts the standing job and keeps its results as they come, in a thread."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._came = threading.Condition()
        self.results: list[dict[str, Any]] = []
        self.error: Exception | None = None
        fleet.start(STANDING, STANDING_PLAN, over=MACHINE, every=STANDING_EVERY)
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        try:
            for result in self._fleet.watch(STANDING):
                with self._came:
                    self.results.append(result)
                    self._came.notify_all()
        except Exception as error:
            self.error = error

    def wait_for_more(self, count: int, timeout_s: float) -> bool:
        """Wait until `count` results have come since now."""
        with self._came:
            wanted = len(self.results) + count
            return self._came.wait_for(lambda: len(self.results) >= wanted, timeout_s)

    def stop(self) -> None:
        """End the job; the thread ends with it."""
        self._fleet.stop(STANDING)
        self._thread.join(5.0)

    def windows(self) -> list[tuple[str, int, Any]]:
        """What was shown: (stream, first sample, value), each window once."""
        shown = {
            (key, entry["sample"]): entry["value"]
            for result in self.results
            for key, entry in result["streams"].items()
        }
        return [(key, sample, value) for (key, sample), value in shown.items()]

    def wrong(self) -> int:
        """How many windows have another value than the plan gives here over the stored samples."""
        plan = Plan(STANDING_PLAN)
        windows = self.windows()
        keys = {key for key, _, _ in windows}
        stored = {key: samples_of(self._fleet.fetch(MACHINE, key)) for key in keys}
        count = 0
        for key, sample, value in windows:
            batch = stored[key][sample : sample + STANDING_EVERY]
            here = plan.finish(plan.partial(batch, start=sample, key=key))
            count += json.loads(dumps(here)) != value
        return count
