"""`mqtt:TOPIC`: numbers that others publish, as people's sensors already do.

A message is a JSON number (`21.5`), a plain number, or an object with a member `value`. It becomes
one f32 sample, stamped when it came. Such streams have no rate of their own; 1 Hz is written into
them. A message that holds no finite number is counted and dropped.
"""

from struct import Struct
from time import monotonic, time

from atoll.runtime.errors import UsageError
from atoll.runtime.events import Sampled
from atoll.runtime.sources import Post, clock_quality
from atoll.wire.messages import StreamInfo

PAYLOAD_MAX = 4_096
TOPIC_MAX = 1_024
_F32 = Struct("<f")


class MqttSource:
    """One topic as a stream, keyed `<device id>/<topic's last level>`."""

    trouble = ""

    def __init__(self, dataset: str, topic: str, device: str) -> None:
        if not topic or len(topic.encode()) > TOPIC_MAX or "\0" in topic:
            raise UsageError(f"source {dataset}: {topic[:40]!r} is no topic")
        if "+" in topic or "#" in topic:
            raise UsageError(f"source {dataset}: topic {topic!r}: one topic, without + and #")
        self.dataset = dataset
        self.topic = topic
        leaf = topic.rstrip("/").rpartition("/")[2] or "value"
        self._key = f"{device}/{leaf}"
        self.streams = [StreamInfo(dataset, self._key, "f32", 1, 1.0, 1.0, "")]
        self.late = 0
        self.refused = 0

    @property
    def missed(self) -> int:
        """Messages that held no number."""
        return self.refused

    def start(self, post: Post) -> None:
        """Messages come through the link."""

    def stop(self) -> None:
        """Nothing to end."""

    def take(self, payload: bytes) -> Sampled | None:
        """A message's number as one sample; None if there is none in it."""
        value = number_in(payload)
        try:
            data = _F32.pack(value) if value is not None else b""
        except OverflowError:
            data = b""
        if not data:
            self.refused += 1
            return None
        wall_s = time()
        times = (int(monotonic() * 1_000), int(wall_s * 1_000), clock_quality(wall_s))
        return Sampled(self.dataset, [(self._key, data)], 1, *times, gap=False)


def number_in(payload: bytes) -> float | None:
    """The finite number in a payload, if there is one."""
    if len(payload) > PAYLOAD_MAX:
        return None
    try:
        text = payload.decode().strip()
        if text.startswith("{"):
            import json

            found = json.loads(text).get("value")
        else:
            found = float(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        value = float(found)
    except OverflowError:
        return None
    return value if abs(value) < float("inf") else None
