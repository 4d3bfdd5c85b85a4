"""Twenty boards of one real site, for minutes: a standing job over all of them, and reset buttons
that are pressed in turn. What the boards hand over is read along at the broker.
"""

import os
import signal
import threading
import time
import wave
from array import array
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from atoll.cli.board_runs import BoardRuns
from atoll.cli.site import Child, LocalSite, wait_until
from atoll.gateway.client_mail import Mail
from atoll.gateway.progress import place_of
from atoll.kernels import Plan
from atoll.wire.codec import decode
from atoll.wire.messages import Partials
from atoll.wire.topics import Topics

JOB, DATASET = "hum", "vibration"
PLAN = Plan("window 64 | rms | moments")
RATE, EVERY, RECORDED = 1_000, 512, 45_000  # a recording ends before its board is reset again
KINDS, EACH = ("mps2-an385", "microbit", "lm3s6965evb", "mps2-an505"), 5
PRESS_S = 10.0  # between two groups' buttons
QUIET_S = RECORDED / RATE + 30.0


class Fleet:
    """The boards in their groups, and what came of them."""

    def __init__(self, site, folder):
        self.site, self.folder = site, folder
        values = Random(1)
        self.samples = array("h", (values.randrange(-9000, 9000) for _ in range(RECORDED)))
        with wave.open(str(folder / "motor.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(self.samples.tobytes())
        self.lock = threading.Lock()
        self.found, self.changed, self.repeated = {}, 0, 0
        self.mail = Mail(site.url, client_id="soak")
        self.children = []

    def start(self):
        """All groups, one after the other."""
        self.mail.open(10.0)
        for kind in KINDS:
            for number in range(1, EACH + 1):
                name = f"{kind}-{number}"
                topic = Topics(self.site.site).up(name, "partial")
                self.mail.subscribe(topic, partial(self._take, name))
            words = ["emulate", "--board", kind, "--count", str(EACH), "--link", "serial"]
            words += ["--samples", str(self.folder / "motor.wav"), "--rate", str(RATE)]
            words += ["--dataset", DATASET, "--broker", self.site.url, "--site", self.site.site]
            self.children.append(Child(kind, words, self.folder / f"{kind}.log"))

    def _take(self, name, _topic, payload, _retained):
        message = decode(payload, allowed=(Partials,))
        with self.lock:
            for result in message.results:
                place = place_of(result.task)
                at = name, place["run"], place["sample"]
                self.repeated += at in self.found
                self.changed += self.found.setdefault(at, result.data) != result.data

    def press(self, number):
        """The reset buttons of a group."""
        os.kill(self.children[number % len(KINDS)].pid, signal.SIGUSR1)

    def row(self):
        """What is missing and what differs, over all boards."""
        runs = {}
        for (name, run, sample), data in self.found.items():
            runs.setdefault((name, run), {})[sample] = data
        lost, wrong = 0, self.changed
        for (name, _), batches in runs.items():
            wanted = BoardRuns(PLAN, self.samples, RATE, EVERY, f"{name}/adc")
            lost += wanted.missing(batches)
            wrong += wanted.differing(batches)
        return {"partials": len(self.found), "repeated": self.repeated, "lost": lost,
                "wrong": wrong}  # fmt: skip

    def end(self):
        """Nothing is left running."""
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.end()
        self.mail.close()


def fleet(minutes):
    """A row: boards that were ready at last, resets, how many boots are not theirs, partials that
    were handed over, lost, wrong, and `merged_otherwise`: the difference between what the gateway
    merged and what there was to merge, once each.
    """
    with TemporaryDirectory(prefix="atoll-soak-") as name, LocalSite(Path(name)) as site:
        site.start_gateway()
        boards = Fleet(site, Path(name))
        try:
            boards.start()
            with site.connect() as client:
                return _soak(boards, client, minutes)
        finally:
            boards.end()


def _soak(boards, client, minutes):
    total = len(KINDS) * EACH

    def ready():
        return {row["id"]: row["boot"] for row in client.devices() if row["state"] == "ready"}

    def merged():
        return sum(row["done"] for row in client.jobs() if row["job"] == JOB)

    def streams():
        return sum(row["streams"] for row in client.datasets() if row["name"] == DATASET)

    wait_until(lambda: len(ready()) == total == streams(), 180, f"{total} boards are ready")
    client.start(JOB, PLAN.text, over=DATASET, every=str(EVERY))
    first, presses = ready(), 0
    ends = time.monotonic() + 60 * minutes
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(PRESS_S, left))
        boards.press(presses)
        presses += 1
        if presses % 6 == 0:
            print(f"fleet: {presses * EACH} resets, {len(boards.found)} partials", flush=True)
    wait_until(lambda: len(ready()) == total, 60, f"{total} boards are ready again")
    seen = [-1, time.monotonic()]

    def quiet():
        if (now := (len(boards.found), merged())) != seen[0]:
            seen[:] = now, time.monotonic()
        return time.monotonic() > seen[1] + 10.0

    wait_until(quiet, QUIET_S + 120, "all recordings are at their end")
    last = ready()
    due = {kind: len(range(number, presses, len(KINDS))) for number, kind in enumerate(KINDS)}
    boots = sum(last[name] - first[name] != due[name.rpartition("-")[0]] for name in last)
    row = {"boards": len(last), "resets": presses * EACH, "other_boots": boots, **boards.row()}
    return {**row, "merged_otherwise": abs(merged() - row["partials"])}
