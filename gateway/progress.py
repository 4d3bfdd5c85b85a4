"""How far a standing job has got in one stream: marks, and batches that wait for those before.

A stream that is stored has one line of batches, numbered by their first samples. A microcontroller
stores nothing: its batches are numbered by run and sample (`wire.Program`), and each run is a line
of its own, since nobody knows where a run ends until it has. The last `RUNS_MAX` runs are kept, so
that a result which comes again after a reset is known.
"""

from bisect import bisect_left, bisect_right

from atoll.wire.messages import RUN_SAMPLES

RUNS_MAX = 16  # of a microcontroller's stream; its outbox is shorter than that many resets
RUN_SHIFT = 32
_SEPARATOR = "\x1f"  # between a key and the place of a run's mark; no key has it


def run_of(number: int) -> int:
    """The run of a batch; 0 for a stream that is stored."""
    return (number - RUN_SAMPLES) >> RUN_SHIFT if number >= RUN_SAMPLES else 0


def place_of(number: int) -> dict[str, int]:
    """A batch's number for people: the sample, and the run where there are runs."""
    if number < RUN_SAMPLES:
        return {"sample": number}
    return {"run": run_of(number), "sample": number & (1 << RUN_SHIFT) - 1}


def beginning(anchors: list[int], sample: int, least: int) -> int:
    """Where the next batch begins, from this sample on: there, or at the first gap behind which
    there are `least` samples before the next one.
    """
    at = bisect_right(anchors, sample)
    while at < len(anchors) and anchors[at] - sample < least:
        sample = anchors[at]
        at += 1
    return sample


class Line:
    """Batches that follow each other. `mark`: everything before it is merged; -1: nothing yet.

    Batches begin anew at a gap, and the news of a gap may come after the batches on both sides of
    it: then the mark, which had counted on from batch `last`, goes back to where the gap is.
    """

    __slots__ = ("ahead", "last", "mark")

    def __init__(self) -> None:
        self.mark = -1
        self.last: int | None = None  # the batch before the mark; None: not known yet
        self.ahead: dict[int, bytes] = {}

    def before(self, anchors: list[int], every: int) -> int:
        """The batch before the mark; where the ledger does not say it, by the gaps known."""
        if self.last is None and self.mark >= 0:
            at = bisect_left(anchors, self.mark)
            if at == 0:
                return self.mark - 1  # there was none, or news of older blocks is still to come
            anchor = anchors[at - 1]
            self.last = anchor + (self.mark - 1 - anchor) // every * every
        return -1 if self.last is None else self.last

    def settled(self, anchors: list[int], every: int, least: int) -> int:
        """The mark by the gaps that are known now: the first samples of the gap-free runs. `least`:
        samples of a batch before a gap; fewer are no batch of their own.
        """
        before, mark = self.before(anchors, every), self.mark
        at = bisect_right(anchors, before)
        gap = anchors[at] if at < len(anchors) else None
        if mark in self.ahead and (gap is None or mark <= gap):
            return mark
        if mark not in self.ahead and -1 < before < mark - 1 and mark < before + every + least:
            mark = before + every  # or it stood at what was no gap after all
        return beginning(anchors, mark if gap is None else min(gap, mark), least)


class Progress:
    """One stream of one job. `newest`: number and partial of the newest batch; `base`, of a plan
    that remembers: those of the batch before the mark, with the checkpoint to go on from; `shown`:
    the newest window as JSON, empty before there is one.
    """

    __slots__ = ("base", "lines", "newest", "shown")

    def __init__(self) -> None:
        self.lines: dict[int, Line] = {}
        self.newest: tuple[int, bytes] | None = None
        self.base: tuple[int, bytes] | None = None
        self.shown = ""

    @property
    def mark(self) -> int:
        """How far a stored stream is merged; -1: not at all."""
        return self.lines[0].mark if 0 in self.lines else -1

    def line(self, number: int) -> Line | None:
        """The line of a batch; None if its run is older than those remembered."""
        run = run_of(number)
        found = self.lines.get(run)
        if found is not None:
            return found
        if len(self.lines) >= RUNS_MAX and run < min(self.lines):
            return None
        found = self.lines[run] = Line()
        if run:
            found.mark = number >> RUN_SHIFT << RUN_SHIFT
        return found

    def surplus(self) -> list[int]:
        """Forget the oldest runs beyond `RUNS_MAX`; the batches that waited in them."""
        waited: list[int] = []
        while len(self.lines) > RUNS_MAX:
            waited += self.lines.pop(min(self.lines)).ahead
        return waited


def mark_key(key: str, number: int) -> str:
    """Under which name the ledger keeps the mark of this batch's line: runs take turns."""
    run = run_of(number)
    return f"{key}{_SEPARATOR}{run % RUNS_MAX}" if run else key


def stream_key(name: str) -> str:
    """The stream's key in `mark_key`'s name."""
    return name.partition(_SEPARATOR)[0]
