"""A standing job of a board in emulation: what it hands over, against `Plan` over its samples."""

from atoll.cli.board_runs import BoardRuns
from atoll.gateway.progress import place_of
from atoll.wire import messages as m


class Job:
    """One job over the recording that a board samples."""

    def __init__(self, board, samples, plan, rate, every):
        self.plan, self.rate, self.every = plan, rate, every
        self.key = f"{board}/adc"
        self.runs = {}  # first sample to bytes, by the run's number
        self._wanted = BoardRuns(plan, samples, rate, every, self.key)

    def order(self, lab):
        """As a gateway does, which repeats its orders."""
        words = self.plan.words("i16", self.rate)
        program = m.Program(1, 1, 1, "hum", self.key, self.every, self.plan.overlap, words)
        lab.gateway.say("task", program)

    def gather(self, lab, count, after=0):
        """Take and acknowledge partials until the newest run, one behind `after`, has `count` more,
        and none is missing: what came while no gateway listened comes again after half a minute.
        """
        ends = {self.newest: len(self.runs.get(self.newest, ())) + count}
        while (
            self.newest <= after
            or len(self.runs.get(self.newest, ())) < ends.get(self.newest, count)
            or any(map(self._missing, self.runs))
        ):
            self.take(lab, lab.expect(m.Partials))

    def take(self, lab, message):
        """Partials of the job: they are acknowledged, and whatever came twice is the same."""
        for result in message.results:
            assert (message.job, result.failed) == ("hum", False), result.data
            place = place_of(result.task)
            batches = self.runs.setdefault(place["run"], {})
            assert batches.setdefault(place["sample"], result.data) == result.data
        lab.gateway.acknowledge(message)

    def _missing(self, run):
        return self._wanted.missing(self.runs[run])

    @property
    def newest(self):
        """The highest number of a run."""
        return max(self.runs, default=0)

    def check(self, runs):
        """There were so many runs, and each batch is what the plan makes."""
        assert len(self.runs) == runs
        for batches in self.runs.values():
            assert self._wanted.differing(batches) == 0
