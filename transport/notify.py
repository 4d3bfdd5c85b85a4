"""What systemd is told of a service (`Type=notify`): that it is ready, still alive, ending.

The protocol of sd_notify(3), a datagram of lines to the socket that NOTIFY_SOCKET names; where
nobody named one, nothing is said. Signs of life come from the loop, so that a loop that hangs gives
none, and systemd starts the service again.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atoll.transport.loop import Loop

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Notifier:
    """Speaks to the service manager, if there is one; `watchdog_s` 0: no signs of life."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        # "@" stands for the zero byte of an abstract address.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._ready = False

    def ready(self, loop: "Loop", line: str) -> None:
        """The service has begun, in the words of `line`; from now on, signs of life by `loop`."""
        self._say(f"STATUS={line}" if self._ready else f"READY=1\nSTATUS={line}")
        self._ready = True
        if self._address and self._watchdog_s:
            self._live(loop)

    def stopping(self) -> None:
        """It has been told to end, and drains."""
        self._say("STOPPING=1\nSTATUS=draining")

    def _live(self, loop: "Loop") -> None:
        self._say("WATCHDOG=1")
        # Twice within the time that is allowed, as systemd asks for.
        loop.call_later(self._watchdog_s / 2, self._live, loop)

    def _say(self, text: str) -> None:
        if not self._address:
            return
        # A manager that is gone or busy is no reason to fail: the next sign of life comes.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto(text.encode(), self._address)


def from_environment(environment: MutableMapping[str, str] | None = None) -> Notifier:
    """The manager that the environment names. Its variables are taken out, so that a child does not
    speak in our name.
    """
    given = os.environ if environment is None else environment
    address, period, process = (given.pop(name, "") for name in VARIABLES)
    if process and process != str(os.getpid()):
        period = ""  # it is another process's life that is watched
    return Notifier(address, int(period) / 1e6 if period.isdigit() else 0.0)
