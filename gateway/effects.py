"""What is to be done: the outputs of `GatewayCore.handle`, in order.

The contract with the shell: the records of a `Commit` are on disk before any effect that follows it
in the list is carried out. The shell may join the lists of several events, commit all their records
in one transaction and then carry out the rest in order (group commit); it may not reorder within
the rest.
"""

from typing import Any, NamedTuple


class Commit(NamedTuple):
    """Write these records (records.py) in one transaction, in this order."""

    records: list[Any]


class Tell(NamedTuple):
    """Publish a message on a device's down/<leaf>."""

    device: str
    leaf: str
    message: Any
    retain: bool = False


class Answer(NamedTuple):
    """Publish a reply to a client."""

    client: str
    message: Any


class ShowResult(NamedTuple):
    """Publish a retained JSON text on job/<job>/result; an empty text clears the topic."""

    job: str
    text: str


class ShowEvent(NamedTuple):
    """Publish one line of JSON on the event topic: a decision that a person can read."""

    kind: str
    text: str
    fields: dict[str, Any]
    wall_ms: int


class ShowStatus(NamedTuple):
    """Publish the gateway's own retained status."""

    state: str
    boot: int
    epoch: int


class ForgetDevice(NamedTuple):
    """Clear what is retained under a device's name."""

    device: str


Effect = Commit | Tell | Answer | ShowResult | ShowEvent | ShowStatus | ForgetDevice
