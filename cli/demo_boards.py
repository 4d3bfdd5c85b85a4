"""The demonstration's microcontrollers: two Cortex-M boards in QEMU beside the Linux devices.

Each samples a recording into a stream of its own. One standing job runs over both, on the boards;
every partial that they hand over is taken from the broker and compared, byte for byte, with what
this machine makes of the same samples. One board's reset button is pressed in the middle.
"""

import os
import signal
import threading
import wave
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from atoll.cli.board_runs import BoardRuns
from atoll.cli.demo_data import Material
from atoll.cli.firmware import QEMU, TOOLS, need
from atoll.cli.site import Child, LocalSite, SiteError, wait_until
from atoll.gateway.client import Fleet
from atoll.gateway.client_mail import Mail
from atoll.gateway.progress import place_of
from atoll.kernels import Plan
from atoll.wire.codec import decode
from atoll.wire.errors import WireError
from atoll.wire.messages import Partials
from atoll.wire.topics import Topics

DATASET, JOB = "boards", "board-rms"
PLAN = "window 64 | rms | quantiles 0.5 0.99 bins=64"
EVERY, RATE_HZ = 640, 3_000
BOARDS = ("microbit", "mps2-an385")
RESET = "microbit"
SAMPLES_MAX = 60_000  # twenty seconds of a board, which begins anew then
ENOUGH = 3  # batches of a run that are waited for
READY_S, BATCH_S = 60.0, 30.0


class Row(NamedTuple):
    """A board: partials that it handed over, those that this machine makes otherwise, and those
    that are missing between others of their run.
    """

    id: str
    boots: int
    runs: int
    partials: int
    differing: int
    missing: int


def check_tools() -> None:
    """FirmwareError that says how to get what building and emulating boards takes."""
    need({**TOOLS, **QEMU})


def samples_for(material: Material) -> "array[int]":
    """16-bit samples of the material, or of a made-up machine where it has none."""
    found = [r.samples for r in material.recordings if r.samples.typecode == "h"]
    longest = max(found, key=len, default=array("h"))
    if len(longest) > 10 * EVERY:
        return array("h", map(int, longest[:SAMPLES_MAX]))
    return array("h", ((i * i * 7919 >> 7) % 4001 - 2000 for i in range(SAMPLES_MAX)))


class Boards:
    """Two boards of a site, from their start to their end."""

    def __init__(self, site: LocalSite, material: Material, say: Callable[[str], None]) -> None:
        self._site, self._say = site, say
        self._samples = samples_for(material)
        self._came = threading.Condition()
        self._found: dict[str, dict[tuple[int, int], bytes]] = {}  # by (run, first sample)
        self._changed = 0  # partials that came twice, with other bytes
        self._children: dict[str, Child] = {}
        self._mail = Mail(site.url, client_id=f"boards-{os.urandom(4).hex()}")

    def __enter__(self) -> Self:
        path = self._site.folder / "boards.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
            file.writeframes(self._samples.tobytes())
        self._mail.open(5.0)
        for board in BOARDS:
            name = _name(board)
            self._found[name] = {}
            topic = Topics(self._site.site).up(name, "partial")
            self._mail.subscribe(topic, partial(self._take, name))
            self._children[board] = self._start(board, path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in self._children.values():
            child.terminate()
        for child in self._children.values():
            child.end()
        self._mail.close()

    def _start(self, board: str, samples: Path) -> Child:
        words = ["emulate", "--board", board, "--id", board, "--link", "serial"]
        words += ["--samples", str(samples), "--rate", str(RATE_HZ), "--dataset", DATASET]
        words += ["--broker", self._site.url, "--site", self._site.site]
        return Child(board, words, self._site.folder / f"{board}.log")

    def _take(self, name: str, _topic: str, payload: bytes, _retained: bool) -> None:
        try:
            message = decode(payload, allowed=(Partials,))
        except WireError:
            return
        if message.job != JOB:
            return
        with self._came:
            for result in message.results:
                place = place_of(result.task)
                at = place["run"], place["sample"]
                self._changed += self._found[name].setdefault(at, result.data) != result.data
            self._came.notify_all()

    # --- the act ---

    def run(self, fleet: Fleet) -> list[Row]:
        """Start the job, press a reset button, and compare what came."""
        names = [_name(board) for board in BOARDS]
        wait_until(lambda: self._ready(fleet, names), READY_S, "both boards are ready", self._check)
        self._say(f"two Cortex-M boards in QEMU ({', '.join(BOARDS)}) have joined by serial lines")
        before = self._boots(fleet)
        fleet.start(JOB, PLAN, over=DATASET, every=str(EVERY))
        self._wait(names, dict.fromkeys(names, 0))
        last = {name: max(run for run, _ in self._found[name]) for name in names}
        victim = _name(RESET)
        os.kill(self._children[RESET].pid, signal.SIGUSR1)
        self._wait([victim], last)
        fleet.stop(JOB)
        boots = self._boots(fleet)
        self._say(f"{victim} was reset, and went on by itself with the same job")
        return [self._row(name, 1 + boots[name] - before[name]) for name in names]

    def _ready(self, fleet: Fleet, names: list[str]) -> bool:
        states = {row["id"]: row["state"] for row in fleet.devices()}
        streams = [r["streams"] for r in fleet.datasets() if r["name"] == DATASET]
        return all(states.get(name) == "ready" for name in names) and streams == [len(names)]

    def _check(self) -> None:
        for child in self._children.values():
            if not child.alive():
                raise SiteError(f"{child.name} ended: {child.tail()}")

    def _boots(self, fleet: Fleet) -> dict[str, int]:
        return {row["id"]: row["boot"] for row in fleet.devices()}

    def _wait(self, names: list[str], after: dict[str, int]) -> None:
        """Until each has handed over enough of a run behind these."""

        def enough() -> bool:
            counts = [sum(run > after[n] for run, _ in self._found[n]) for n in names]
            return min(counts) >= ENOUGH

        with self._came:
            if not self._came.wait_for(enough, BATCH_S):
                raise SiteError(f"{', '.join(names)}: no {ENOUGH} partials in {BATCH_S:g} s")

    # --- what came ---

    def _row(self, name: str, boots: int) -> Row:
        with self._came:
            found = dict(self._found[name])
        runs: dict[int, dict[int, bytes]] = {}
        for (run, sample), data in found.items():
            runs.setdefault(run, {})[sample] = data
        wanted = BoardRuns(Plan(PLAN), self._samples, RATE_HZ, EVERY, f"{name}/adc")
        missing = sum(map(wanted.missing, runs.values()))
        differing = self._changed + sum(map(wanted.differing, runs.values()))
        return Row(name, boots, len(runs), len(found), differing, missing)


def _name(board: str) -> str:
    """What `atoll emulate` calls the first of its boards."""
    return f"{board}-1"


def problems(rows: list[dict[str, Any]]) -> list[str]:
    """What does not hold of the boards, in words."""
    found: list[str] = []
    for row in rows:
        boots = 2 if row["id"] == _name(RESET) else 1
        checks = (
            (row["differing"] == 0, f"{row['differing']} partials have other bytes"),
            (row["missing"] == 0, f"{row['missing']} partials were lost"),
            (row["boots"] == boots, f"it started {row['boots']} times, not {boots}"),
        )
        found += [f"{row['id']}: {text}" for good, text in checks if not good]
    return found
