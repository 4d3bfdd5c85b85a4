"""What a site says on its broker, for the campaign: who is ready since when, which windows were
shown, and whether two partials for one key are ever different.

The broker is killed, too: what it kept on disk may be old when it is back, so a retained message is
believed only where it is newer than what was seen.
"""

import json
import threading
from collections.abc import Callable
from typing import Any

from atoll.gateway.client_mail import Mail
from atoll.gateway.standing import RESERVED_NAME
from atoll.wire.codec import decode
from atoll.wire.errors import WireError
from atoll.wire.messages import Partials
from atoll.wire.status import DEVICE_STATES, GATEWAY_STATES, decode_status
from atoll.wire.topics import Topics

OPEN_S = 10.0


class Watch:
    """A session of its own beside the site. `problem(kind, text)` is told of what may not be."""

    def __init__(self, url: str, site: str, problem: Callable[[str, str], None]) -> None:
        self._topics = Topics(site)
        self._problem = problem
        self._changed = threading.Condition()
        self._states: dict[str, tuple[str, int]] = {}  # "" is the gateway
        self._shown: dict[tuple[str, str], tuple[int, Any]] = {}
        # Of standing jobs, by (job, stream, first sample): the bytes that a device gave.
        self.partials: dict[tuple[str, str, int], bytes] = {}
        self._mail = Mail(url, client_id="crash-watch")
        self._mail.open(OPEN_S)
        self._mail.subscribe(self._topics.gateway_status, self._gateway)
        self._mail.subscribe(f"{self._topics.base}/device/+/up/status", self._device)
        self._mail.subscribe(f"{self._topics.base}/device/+/up/partial", self._partial)
        self._mail.subscribe(f"{self._topics.base}/job/+/result", self._result)

    def close(self) -> None:
        """End the session."""
        self._mail.close()

    # --- asked by the campaign -------------------------------------------------------------------

    def boot(self, name: str) -> int:
        """The boot of a device, or of "" the gateway's term, that was last heard of; -1: none."""
        self._mail.check()  # a handler that failed has ended the session
        with self._changed:
            return self._states.get(name, ("", -1))[1]

    def wait_ready(self, name: str, after: int, timeout_s: float) -> bool:
        """Wait until it is ready under a number above `after`."""

        def ready() -> bool:
            state, boot = self._states.get(name, ("", -1))
            return state == "ready" and boot > after

        with self._changed:
            return self._changed.wait_for(ready, timeout_s)

    def wait_window(
        self, job: str, key: str, sample: int, timeout_s: float, ended: threading.Event
    ) -> Any:
        """The value shown for this window of a stream, or a later one's; None if none came."""

        def there() -> bool:
            return ended.is_set() or self._shown.get((job, key), (-1, None))[0] >= sample

        with self._changed:
            self._changed.wait_for(there, timeout_s)
            at, value = self._shown.get((job, key), (-1, None))
        return value if at == sample else None

    def wake(self) -> None:
        """Let whoever waits look again."""
        with self._changed:
            self._changed.notify_all()

    # --- in the session's thread -----------------------------------------------------------------

    def _gateway(self, _topic: str, payload: bytes, _retained: bool) -> None:
        self._heard("", payload, GATEWAY_STATES)

    def _device(self, topic: str, payload: bytes, _retained: bool) -> None:
        self._heard(self._topics.parse(topic).name, payload, DEVICE_STATES)

    def _heard(self, name: str, payload: bytes, states: tuple[str, ...]) -> None:
        try:
            status = decode_status(payload, states)
        except WireError:
            return
        with self._changed:
            if status.boot >= self._states.get(name, ("", -1))[1]:
                self._states[name] = (status.state, status.boot)
                self._changed.notify_all()

    def _partial(self, _topic: str, payload: bytes, _retained: bool) -> None:
        try:
            message = decode(payload)
        except WireError as error:
            self._problem("wrong", f"a device said what cannot be read: {error}")
            return
        if not isinstance(message, Partials) or RESERVED_NAME.fullmatch(message.job):
            return
        for key, sample, failed, data, _ in message.results:
            known = data if failed else self.partials.setdefault((message.job, key, sample), data)
            if known != data:
                self._problem("wrong", f"{message.job}: two partials for {key} at {sample}")

    def _result(self, topic: str, payload: bytes, retained: bool) -> None:
        job = topic.split("/")[-2]
        if not payload or RESERVED_NAME.fullmatch(job):
            return
        streams = json.loads(payload)["streams"]
        with self._changed:
            for key, entry in streams.items():
                before = self._shown.get((job, key), (-1, None))[0]
                if entry["sample"] >= before:
                    self._shown[job, key] = (entry["sample"], entry["value"])
                elif not retained:  # the gateway itself goes back: it merged what it had merged
                    text = f"{job}: {key} is shown at {entry['sample']} after {before}"
                    self._problem("duplicated", text)
            self._changed.notify_all()
