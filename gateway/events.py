"""What happened: the inputs of `GatewayCore.handle`.

Every event is a plain tuple. Wall time comes with the events that need it (milliseconds since
1970); monotonic time is the `now` of `handle`.
"""

from typing import Any, NamedTuple


class LinkOpened(NamedTuple):
    """The broker is reached, the gateway's subscriptions stand."""

    wall_ms: int


class LinkLost(NamedTuple):
    """The broker is gone: nothing can be concluded from silence until it is back."""


class FellBehind(NamedTuple):
    """More has come in than is read in one turn: the silence of a device may be its words here."""

    wall_ms: int


class CaughtUp(NamedTuple):
    """All that has come in is read, or given with this turn."""

    wall_ms: int


class DeviceSpoke(NamedTuple):
    """A decoded message of a device, from its up/ subtree."""

    device: str
    message: Any
    wall_ms: int


class StatusSeen(NamedTuple):
    """A device's retained status: init, ready, draining, sleeping (with how long, and until when),
    stopped, or lost (its last will).
    """

    device: str
    state: str
    boot: int
    wall_ms: int
    sleep_s: int = 0
    wake_ms: int = 0


class ClientAsked(NamedTuple):
    """A decoded request of a client."""

    client: str
    message: Any
    wall_ms: int


class InputRefused(NamedTuple):
    """The shell dropped a message that could not be read; counted by reason."""

    reason: str


class Woken(NamedTuple):
    """The time given by `next_wakeup` has come."""

    wall_ms: int


class Stopping(NamedTuple):
    """The process is about to end in order."""

    wall_ms: int


class StandbyChanged(NamedTuple):
    """The standby gateway is in another state: `text` for people, `standby` for the status."""

    text: str
    standby: dict[str, Any]
    wall_ms: int


Event = (
    LinkOpened
    | LinkLost
    | FellBehind
    | CaughtUp
    | DeviceSpoke
    | StatusSeen
    | ClientAsked
    | InputRefused
    | Woken
    | Stopping
    | StandbyChanged
)
