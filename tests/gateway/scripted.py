"""A gateway that answers as a test says: the client's other end, over a real broker."""

import json
from collections.abc import Callable
from typing import Any

from atoll.gateway.client_mail import Mail
from atoll.wire.codec import decode, encode, split
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.messages import DONE, FAILED, Reply
from atoll.wire.topics import Topics

Answers = Callable[[Any], list[Reply]]


class ScriptedGateway:
    """Answers each request with the replies that `answers(message)` returns; notes what it was
    asked.
    """

    def __init__(self, url: str, site: str, answers: Answers) -> None:
        self.asked: list[Any] = []
        self.answers = answers
        self.topics = Topics(site)
        self.mail = Mail(url, client_id=f"scripted-{site}")
        self.mail.open(5)
        self.mail.subscribe(self.topics.all_requests, self._asked)

    def status(self, state: str, term: int = 1) -> None:
        body = json.dumps({"state": state, "boot": term, "epoch": 1})
        self.retain(self.topics.gateway_status, body.encode())

    def retain(self, topic: str, payload: bytes) -> None:
        link = self.mail._link
        self.mail._loop.post(lambda: link.publish(topic, payload, purpose="test", retain=True))

    def _asked(self, topic: str, payload: bytes, _retained: bool) -> None:
        message = decode(payload)
        self.asked.append(message)
        reply_topic = topic.removesuffix("request") + "reply"
        for reply in self.answers(message):
            for part in split(encode(reply), bytes(16), MESSAGE_BYTES_MAX):
                self.mail.publish(reply_topic, part)

    def close(self) -> None:
        self.mail.close()


def done(message: Any, body: Any = None, blob: bytes = b"") -> Reply:
    return Reply(message.request, DONE, json.dumps(body if body is not None else {}), blob)


def failed(message: Any, text: str) -> Reply:
    return Reply(message.request, FAILED, json.dumps({"error": text}), b"")
