"""`file:PATH[@RATE][,loop]`: a recording replayed at its rate, as if it were sampled now.

The rate stands behind the @, or in an `index.json` beside the file (a list of `{"file", "rate_hz",
"scale", "unit"}`). With `loop` the recording begins again at its end, which is a gap: its last
sample and its first are no neighbours.
"""

import os
from threading import Event, Thread
from time import monotonic, time

from atoll.runtime.errors import UsageError
from atoll.runtime.events import Sampled
from atoll.runtime.recording import Recording
from atoll.runtime.sources import HAND_ON_S, Post, Schedule, clock_quality, parse_rate
from atoll.wire.messages import StreamInfo

# Faster recordings than this belong into `put`: a block would be full 100 times a second.
RATE_HZ_MAX = 1_000_000.0
INDEX_BYTES_MAX = 1_048_576


class FileSource:
    """One recording as a live stream, keyed `<device id>/<file's stem>`."""

    topic = ""
    trouble = ""
    missed = 0

    def __init__(self, dataset: str, what: str, device: str) -> None:
        path, self._loop = _without_loop(what)
        path, rate = _without_rate(path)
        self.dataset = dataset
        entry = {} if rate else _index_entry(path, dataset)
        self._recording = Recording(path)
        if not rate and not entry:
            self._recording.close()
            raise UsageError(
                f"source {dataset}: no rate for {path}: write file:{path}@12000hz, or an index.json"
            )
        rate_hz = parse_rate(rate or str(entry["rate_hz"]), dataset, RATE_HZ_MAX)
        scale, unit = _scale(entry)
        stem = os.path.splitext(os.path.basename(path))[0]
        self.streams = [
            StreamInfo(dataset, f"{device}/{stem}", self._recording.dtype, 1, rate_hz, scale, unit)
        ]
        self._rate_hz = rate_hz
        self._ended = Event()
        self._thread: Thread | None = None
        self.late = 0

    def start(self, post: Post) -> None:
        """Begin to replay."""
        self._thread = Thread(target=self._run, args=(post,), name="source-file", daemon=True)
        self._thread.start()

    def take(self, payload: bytes) -> Sampled | None:
        """Nothing comes by message."""
        return None

    def stop(self) -> None:
        """End."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(1.0)
        self._recording.close()

    def _run(self, post: Post) -> None:
        key = self.streams[0].key
        # Pieces are handed on when their last sample is due.
        piece = max(1, round(self._rate_hz * HAND_ON_S))
        schedule = Schedule(self._rate_hz / piece, monotonic() + piece / self._rate_hz)
        at, gap = 0, False
        while not self._ended.wait(max(0.0, schedule.due - monotonic())):
            schedule.tick(monotonic())
            self.late = schedule.late
            data = self._recording.read(at, piece)
            count = min(piece, self._recording.samples - at)
            wall_s = time()
            span_s = count / self._rate_hz
            mono_ms, wall_ms = int((monotonic() - span_s) * 1_000), int((wall_s - span_s) * 1_000)
            quality = clock_quality(wall_s)
            post(Sampled(self.dataset, [(key, data)], count, mono_ms, wall_ms, quality, gap))
            at, gap = at + count, False
            if at >= self._recording.samples:
                if not self._loop:
                    return
                at, gap = 0, True


def _without_loop(what: str) -> tuple[str, bool]:
    return (what.removesuffix(",loop"), True) if what.endswith(",loop") else (what, False)


def _without_rate(what: str) -> tuple[str, str]:
    """Path and rate; an @ in a folder's name is none of ours."""
    path, mark, rate = what.rpartition("@")
    if not mark or "/" in rate:
        return what, ""
    return path, rate


def _index_entry(path: str, dataset: str) -> dict[str, object]:
    """What index.json beside the file says of it; empty if there is none."""
    index = os.path.join(os.path.dirname(path) or ".", "index.json")
    if not os.path.exists(index):
        return {}
    import json

    try:
        with open(index, encoding="utf-8") as file:
            entries = json.loads(file.read(INDEX_BYTES_MAX))
        for entry in entries:
            if entry["file"] == os.path.basename(path) and "rate_hz" in entry:
                return dict(entry)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"source {dataset}: {index} cannot be used: {error}") from None
    return {}


def _scale(entry: dict[str, object]) -> tuple[float, str]:
    """Scale and unit: `scale` and `unit`, or `scale_<unit>_per_count`."""
    for name, value in entry.items():
        if name.startswith("scale_") and name.endswith("_per_count"):
            return float(str(value)), name[len("scale_") : -len("_per_count")]
    return float(str(entry.get("scale", 1.0))), str(entry.get("unit", ""))
