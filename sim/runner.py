"""Seeds one after the other, their sums, and what is said of a seed that fails.

A run is a function of its seed and its setup alone, so that the story of a failure is told by
running the seed again, with every message that concerns the object written down.
"""

import gc
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from atoll.sim.site import Outcome, Setup, Site

KINDS = ("lost", "duplicated", "wrong", "double_owners", "unfinished")
STORY_LINES = 60
LINE_MAX = 300


class Report(NamedTuple):
    """Sums over seeds. `cpu_s` is the time of this process alone, others' work on the machine left
    out.
    """

    seeds: int
    events: int
    messages: int
    answers: int
    virtual_s: float
    cpu_s: float
    counts: dict[str, int]
    failures: list[Outcome]

    @property
    def passed(self) -> bool:
        """Whether no invariant was broken."""
        return not self.failures

    def figures(self) -> dict[str, Any]:
        """As JSON has them."""
        return {
            "seeds": self.seeds,
            "events": self.events,
            "events_per_s": round(self.events / self.cpu_s) if self.cpu_s else 0,
            **self.counts,
            "messages": self.messages,
            "answers": self.answers,
            "virtual_hours": round(self.virtual_s / 3_600, 3),
            "cpu_s": round(self.cpu_s, 2),
            "failed_seeds": [outcome.seed for outcome in self.failures],
        }


def run_seeds(
    seeds: Iterable[int],
    setup: Setup,
    *,
    events_max: int = 0,
    failures_max: int = 1,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Run seeds until `events_max` events (0: all seeds) or `failures_max` failures."""
    counts = dict.fromkeys(KINDS, 0)
    failures: list[Outcome] = []
    ran = events = messages = answers = 0
    virtual_s, begin = 0.0, time.process_time()
    for seed in seeds:
        with _few_collections():
            outcome = Site(seed, setup).run()
        ran, events, answers = ran + 1, events + outcome.events, answers + outcome.answers
        messages += outcome.messages
        virtual_s += outcome.virtual_s
        if outcome.violation is not None:
            counts[outcome.violation.kind] += 1
            failures.append(outcome)
        told(outcome)
        if len(failures) >= failures_max or 0 < events_max <= events:
            break
    cpu_s = time.process_time() - begin
    return Report(ran, events, messages, answers, virtual_s, cpu_s, counts, failures)


@contextmanager
def _few_collections() -> Iterator[None]:
    """Garbage is collected seldom while a seed runs, and not in what was there before it: a site's
    memory is small, and hardly anything in it is a cycle.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(500_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def story(outcome: Outcome, setup: Setup) -> list[str]:
    """The last messages about the object of a failure, from a second run of its seed."""
    assert outcome.violation is not None
    about = outcome.violation.about
    lines: deque[str] = deque(maxlen=STORY_LINES)
    site = Site(outcome.seed, setup)

    def tell(who: str, what: Any) -> None:
        text = f"{who} {what}"
        if about in text:
            at = text.find(about)
            cut = text if len(text) <= LINE_MAX else f"{text[:LINE_MAX]} ... {text[at : at + 80]}"
            lines.append(f"{site.world.now:10.4f} s  {cut}")

    site.world.tell = tell
    again = site.run()
    if again.trace != outcome.trace:
        lines.append("THE SECOND RUN DIFFERS FROM THE FIRST: the simulator is not deterministic")
    return [*lines, f"{again.virtual_s:10.4f} s  {outcome.violation}"]


def replay_command(seed: int, setup: Setup) -> str:
    """What to type to see a failure again."""
    return (
        f"atoll sim --devices {setup.devices} --shards {setup.shards} --hours {setup.hours:g}"
        f" --faults {','.join(setup.faults)} --first {seed} --seeds 1"
    )
