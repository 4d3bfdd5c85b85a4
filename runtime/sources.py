"""Live sources: `NAME=KIND:WHAT`, as in `cpu=proc:10hz`; docs/sources.md has every kind.

A source is a dataset by its NAME with one stream or more, keyed `<device id>/<counter>`. Timed
sources run in a thread of their own on a schedule that does not drift: sample n is due at start + n
/ rate. A late tick is taken late and counted; after a pause of `CATCH_UP_S` or more (a suspended
machine) what was missed is a gap.
"""

from collections.abc import Callable
from importlib import import_module
from threading import Event, Thread
from time import monotonic, time
from typing import Protocol

from atoll.runtime.errors import UsageError
from atoll.runtime.events import Sampled
from atoll.wire.block import CLOCK_BOOT, CLOCK_SET, CLOCK_SYNCHRONISED
from atoll.wire.errors import WireError
from atoll.wire.messages import StreamInfo
from atoll.wire.topics import check_name

Post = Callable[[Sampled], None]

# Samples are handed on this often: the loop wakes a few times a second, not for each sample.
HAND_ON_S = 0.2
CATCH_UP_S = 2.0
# A tick counts as late if it begins this share of a period after its time.
LATE_SHARE = 0.5
# 2020-01-01: a wall clock before this was never set.
_SET_AFTER_S = 1_577_836_800
_SYNCHRONISED = "/run/systemd/timesync/synchronized"
SOURCES_MAX = 16
# Kind -> module and maker. Only the modules of kinds that are asked for are imported.
KINDS = {
    "proc": ("source_proc", "ProcSource"),
    "file": ("source_file", "FileSource"),
    "mqtt": ("source_mqtt", "MqttSource"),
    "iio": ("source_iio", "make_iio"),
    "hwmon": ("source_hwmon", "HwmonSource"),
    "i2c": ("source_i2c", "I2cSource"),
    "alsa": ("source_alsa", "AlsaSource"),
    "serial": ("source_serial", "SerialSource"),
    "gpio": ("source_gpio", "GpioSource"),
    "counter": ("source_counter", "CounterSource"),
}


class Source(Protocol):
    """Where a dataset's samples come from. `topic` is what the link is to subscribe to, if
    anything.
    """

    dataset: str
    streams: list[StreamInfo]
    topic: str
    # Why nothing comes in, while that is so; for people.
    trouble: str

    @property
    def late(self) -> int:
        """Ticks that began late."""
        ...

    @property
    def missed(self) -> int:
        """Samples that could not be read, were lost on the way, or were none."""
        ...

    def start(self, post: Post) -> None:
        """Begin to post samples."""
        ...

    def take(self, payload: bytes) -> Sampled | None:
        """Samples from a message under `topic`, or None if it is none of use."""
        ...

    def stop(self) -> None:
        """End."""
        ...


def make_source(text: str, device: str) -> Source:
    """The source that `NAME=KIND:WHAT` asks for. Raises `UsageError`."""
    name, mark, spec = text.partition("=")
    kind, colon, what = spec.partition(":")
    if not mark or not colon or not what:
        raise UsageError(
            f"source {text!r}: NAME=KIND:WHAT is wanted, as in cpu=proc:10hz or bench=file:PATH; "
            f"kinds are {', '.join(KINDS)}"
        )
    try:
        check_name(name, "source")
    except WireError as error:
        raise UsageError(str(error)) from None
    if not what.isprintable():
        raise UsageError(f"source {name}: {what!r} has characters that cannot be printed")
    if kind not in KINDS:
        raise UsageError(f"source {name}: {kind!r} is none of {', '.join(KINDS)}")
    module, maker = KINDS[kind]
    made: Source = getattr(import_module(f"atoll.runtime.{module}"), maker)(name, what, device)
    return made


def make_sources(texts: list[str], device: str) -> list[Source]:
    """All sources of a command line. Raises `UsageError`."""
    if len(texts) > SOURCES_MAX:
        raise UsageError(f"{len(texts)} sources; at most {SOURCES_MAX} are possible")
    made = [make_source(text, device) for text in texts]
    names = [source.dataset for source in made]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"source {name} is given twice")
    return made


def parse_rate(text: str, source: str, most_hz: float) -> float:
    """A rate such as `100hz`, `0.5hz` or `100`. Raises `UsageError`."""
    digits = text.lower().removesuffix("hz")
    try:
        rate_hz = float(digits)
    except ValueError:
        rate_hz = 0.0
    if not 0.0 < rate_hz <= most_hz:
        raise UsageError(
            f"source {source}: rate {text!r} is not above 0 and at most {most_hz:g} Hz, as in 10hz"
        )
    return rate_hz


def clock_quality(wall_s: float) -> int:
    """How good the wall clock is, as far as this machine says."""
    if wall_s < _SET_AFTER_S:
        return CLOCK_BOOT
    try:
        with open(_SYNCHRONISED, "rb"):
            return CLOCK_SYNCHRONISED
    except OSError:
        return CLOCK_SET


class Schedule:
    """When ticks are due: start + n / rate, whatever happens in between."""

    def __init__(self, rate_hz: float, now: float) -> None:
        self._period = 1.0 / rate_hz
        self._start = now
        self._ticks = 0
        self.late = 0

    @property
    def due(self) -> float:
        """When the next tick is due."""
        return self._start + self._ticks * self._period

    def tick(self, now: float) -> bool:
        """A tick is taken now; True if so much time is missing that a gap lies before it."""
        behind = now - self.due
        if behind > LATE_SHARE * self._period:
            self.late += 1
        gap = behind > max(CATCH_UP_S, 2 * self._period)
        if gap:
            self._start, self._ticks = now, 0
        self._ticks += 1
        return gap


class Ticker:
    """A thread that samples on a schedule and hands on what it has a few times a second.

    `sample` gives a row, one sample of each stream; nothing in it: there is none this time, and the
    next row comes after a gap; None: there will be no more.
    """

    def __init__(
        self,
        dataset: str,
        streams: list[StreamInfo],
        rate_hz: float,
        sample: Callable[[], list[bytes] | None],
    ) -> None:
        self._dataset = dataset
        self._keys = [info.key for info in streams]
        self._rate_hz = rate_hz
        self._sample = sample
        self._ended = Event()
        self._thread: Thread | None = None
        self._post: Post = _nowhere
        self.late = 0
        self.missed = 0

    def start(self, post: Post) -> None:
        """Begin."""
        self._post = post
        self._thread = Thread(target=self._run, name=f"source-{self._dataset}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the tick at hand."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        schedule = Schedule(self._rate_hz, monotonic())
        taken: list[list[bytes]] = []
        times = (0, 0, 0)
        gap_before = gap = missing = False
        while not self._ended.wait(max(0.0, schedule.due - monotonic())):
            now, wall_s = monotonic(), time()
            gap = schedule.tick(now) or missing
            self.late = schedule.late
            row = self._sample()
            missing = row is not None and not row
            self.missed += missing
            if (gap or missing) and taken:
                self._hand_on(taken, times, gap=gap_before)
                taken = []
            if row is None:
                break
            if missing:
                continue
            if not taken:
                times = (int(now * 1_000), int(wall_s * 1_000), clock_quality(wall_s))
                gap_before = gap
            taken.append(row)
            if len(taken) >= HAND_ON_S * self._rate_hz:
                self._hand_on(taken, times, gap=gap_before)
                taken = []
        if taken:
            self._hand_on(taken, times, gap=gap_before)

    def _hand_on(self, taken: list[list[bytes]], times: tuple[int, int, int], *, gap: bool) -> None:
        columns = (b"".join(column) for column in zip(*taken, strict=True))
        samples = list(zip(self._keys, columns, strict=True))
        self._post(Sampled(self._dataset, samples, len(taken), *times, gap))


class TickedSource:
    """What sources that a `Ticker` samples have in common. `sample` is as the ticker's, `close`
    gives back what it reads from.
    """

    topic = ""

    def __init__(
        self,
        dataset: str,
        streams: list[StreamInfo],
        sample: Callable[[], list[bytes]],
        close: Callable[[], None],
    ) -> None:
        self.dataset = dataset
        self.streams = streams
        self.trouble = ""
        self._close = close
        self._ticker = Ticker(dataset, streams, streams[0].rate_hz, sample)

    @property
    def late(self) -> int:
        """Ticks that began late."""
        return self._ticker.late

    @property
    def missed(self) -> int:
        """Ticks at which nothing could be read."""
        return self._ticker.missed

    def start(self, post: Post) -> None:
        """Begin to sample."""
        self._ticker.start(post)

    def take(self, payload: bytes) -> Sampled | None:
        """Nothing comes by message."""
        return None

    def stop(self) -> None:
        """End."""
        self._ticker.stop()
        self._close()


def _nowhere(sampled: Sampled) -> None:
    pass
