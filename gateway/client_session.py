"""A client's conversation with the gateway: requests out, replies in, and whether anybody is there.

The gateway's status is a retained topic with a last will, so that its absence is known at once and
not by silence. While a request waits, a gateway or broker that goes away is given `PATIENCE_S` to
come back: a restart loses nothing.
"""

import json
import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from atoll.gateway.client_calls import Answer, Call, Calls
from atoll.gateway.client_errors import Closed, FleetError, Refused, TimedOut, Unreachable
from atoll.gateway.client_mail import Mail
from atoll.transport.link import refusal_of
from atoll.transport.url import parse_brokers
from atoll.wire.codec import Message
from atoll.wire.errors import DecodeError
from atoll.wire.messages import FAILED, PROGRESS, Reply
from atoll.wire.status import GATEWAY_STATES, decode_status
from atoll.wire.topics import Topics

# A restarted gateway or broker is back within this, or a person wants to know.
PATIENCE_S = 30.0
# The broker sends the retained status right after it has granted the subscription; without one no
# gateway was ever there.
_STATUS_WAIT_S = 1.5
# Results of a standing job that wait for a slow reader; each stands for its own window.
_RESULTS_MAX = 256
# How often a waiting thread looks up from its condition; bounds how late a lost gateway is noticed.
_LOOK_S = 0.5
_NUMBERS = 2**32 - 1


class Session:
    """Connected from construction to `close`."""

    def __init__(self, url: str, *, site: str, timeout_s: float) -> None:
        self.site = site
        # A broker with access lists knows a client by its user name and gives it topics of that
        # name.
        self._client = parse_brokers(url)[0].username or f"c-{os.urandom(6).hex()}"
        self._topics = Topics(site)
        self._calls = Calls(int.from_bytes(os.urandom(4)) % _NUMBERS + 1)
        self._state = ""
        self._term = -1
        self._absent_since_s: float | None = None
        self._closed = False
        # How often requests had to be said again: what was asked before may have been lost.
        self.generation = 0
        self._mail = Mail(url, client_id=self._client)
        self._changed = self._mail.changed
        ends_s = time.monotonic() + timeout_s
        self._mail.open(timeout_s)
        try:
            self._greet(timeout_s, ends_s)
        except BaseException:
            self._mail.close()
            raise

    def _greet(self, timeout_s: float, ends_s: float) -> None:
        """Subscribe, and learn whether a gateway is there. `ends_s`: when `timeout_s` is over."""
        handlers = {
            self._topics.reply(self._client): self._replied,
            self._topics.gateway_status: self._gateway_spoke,
        }
        for topic, handler in handlers.items():
            self._mail.subscribe(topic, handler)
        with self._changed:
            self._changed.wait_for(
                lambda: all(self._mail.granted(topic) is not None for topic in handlers),
                max(0.0, ends_s - time.monotonic()),
            )
            for topic in handlers:
                self._check_granted(topic, timeout_s)
            self._changed.wait_for(lambda: self._state, min(timeout_s, _STATUS_WAIT_S))
            if self._state != "ready":
                raise Unreachable(self._absence())
        self._mail.on_up = self._say_again

    def close(self) -> None:
        """End the session; every open call ends with `Closed`."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._calls.fail(Closed("the connection was closed"))
            self._changed.notify_all()
        self._mail.close()

    # --- calls ---

    def submit(self, build: Callable[[int], Message]) -> Call:
        """Send a request, made by `build` from its number."""
        self._mail.check()
        with self._changed:
            if self._closed:
                raise Closed("the connection is closed")
            call = self._calls.make(build)
        self._mail.publish(self._topics.request(self._client), call.payload)
        return call

    def drop(self, call: Call) -> None:
        """Take no more replies for this call."""
        with self._changed:
            self._calls.drop(call)

    @contextmanager
    def waiting(self, call: Call) -> Iterator[None]:
        """Drop the call at the end, however it comes."""
        try:
            yield
        finally:
            self.drop(call)

    def replies(self, call: Call, timeout_s: float) -> Iterator[Reply]:
        """The replies to a call, the last one included, each at most `timeout_s` after the one
        before.
        """
        while True:
            reply = self._next(call, timeout_s)
            if reply.status == FAILED:
                raise Refused(_error(reply))
            yield reply
            if reply.status != PROGRESS:
                return

    def _next(self, call: Call, timeout_s: float) -> Reply:
        ends_s = time.monotonic() + timeout_s
        with self._changed:
            while not call.answers:
                self._mail.check()
                self._check_presence()
                left_s = ends_s - time.monotonic()
                if left_s <= 0:
                    raise TimedOut(
                        f"the gateway of site {self.site!r} did not answer within {timeout_s:g} s"
                    )
                self._changed.wait(min(left_s, _LOOK_S))
            answer: Answer = call.answers.popleft()
        if answer.reply is None:
            raise answer.error or FleetError("the call ended without a reply")
        return answer.reply

    def _check_presence(self) -> None:
        if self._mail.down_s() > PATIENCE_S:
            raise Unreachable(f"the broker is gone: {self._mail.last_failure()}")
        if self._absent_since_s and time.monotonic() - self._absent_since_s > PATIENCE_S:
            raise Unreachable(self._absence())

    def _check_granted(self, topic: str, waited_s: float) -> None:
        granted = self._mail.granted(topic)
        if granted is None:
            url = self._mail.brokers[0].url
            raise Unreachable(f"the broker {url} did not answer within {waited_s:g} s")
        if not granted:
            raise Unreachable(refusal_of(topic))

    def _absence(self) -> str:
        where = f"site {self.site!r} at {self._mail.brokers[0].url}"
        if not self._state:
            return (
                f"no gateway has been seen for {where}; is the name of the site right (--site), and"
                " is this its broker (--broker; the gateway's first line names it)?"
            )
        return f"the gateway of {where} is {self._state}"

    # --- results of standing jobs ---

    def follow_results(self, name: str, timeout_s: float | None) -> Iterator[dict[str, Any]]:
        """Yield what is published on the job's result topic until the topic is cleared."""
        inbox: queue.Queue[bytes] = queue.Queue(_RESULTS_MAX)

        def arrived(_topic: str, payload: bytes, _retained: bool) -> None:
            if inbox.full():
                inbox.get_nowait()
            inbox.put_nowait(payload)

        self._mail.subscribe(self._topics.result(name), arrived)
        try:
            yield from self._follow(name, inbox, timeout_s)
        finally:
            self._mail.unsubscribe(arrived)

    def _follow(
        self, name: str, inbox: "queue.Queue[bytes]", timeout_s: float | None
    ) -> Iterator[dict[str, Any]]:
        heard_s = time.monotonic()
        while not self._closed:
            try:
                payload = inbox.get(timeout=_LOOK_S)
            except queue.Empty:
                self._mail.check()
                if timeout_s is not None and time.monotonic() - heard_s > timeout_s:
                    raise TimedOut(f"job {name!r}: no result for {timeout_s:g} s") from None
                continue
            if not payload:
                return
            heard_s = time.monotonic()
            yield json.loads(payload)

    # --- in the mail's thread ---

    def _replied(self, _topic: str, payload: bytes, _retained: bool) -> None:
        with self._changed:
            if self._calls.received(payload) is not None:
                self._changed.notify_all()

    def _gateway_spoke(self, _topic: str, payload: bytes, retained: bool) -> None:
        """A new term means a new process, which knows nothing of what was asked of the old one.

        A gateway says once that it is ready, when it has connected: whoever hears that as it is
        said was here first, after a broker's restart for example, and what it asked until then
        reached nobody.
        """
        try:
            state, term, *_ = decode_status(payload, GATEWAY_STATES)
        except DecodeError:
            return
        with self._changed:
            returned = state == "ready" and self._state not in ("", "ready")
            renewed = self._term not in (-1, term) or not retained
            self._state, self._term = state, term
            if state == "ready":
                self._absent_since_s = None
            elif self._absent_since_s is None:
                self._absent_since_s = time.monotonic()
            self._changed.notify_all()
        if state == "ready" and (returned or renewed):
            self._say_again()

    def _say_again(self) -> None:
        with self._changed:
            self.generation += 1
            payloads = self._calls.again()
        for payload in payloads:
            self._mail.publish(self._topics.request(self._client), payload)


def _error(reply: Reply) -> str:
    try:
        return str(json.loads(reply.body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the gateway refused and did not say why: {reply.body[:200]!r}"
