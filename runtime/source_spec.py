"""What stands behind a source's kind: `HEAD[@RATE][,OPTION[=VALUE]]...`, and how it is refused.

iio:ads1015@100hz,channels=voltage0+voltage1      serial:/dev/ttyUSB0@50hz,baud=115200
"""

import errno
from typing import NamedTuple

from atoll.runtime.errors import UsageError

_CONFIG = "/boot/firmware/config.txt"


class Spec(NamedTuple):
    """A source's words: `head` names the device; an option without a value is "yes"."""

    source: str
    head: str
    rate: str
    options: dict[str, str]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """An option that is a whole number within bounds. Raises `UsageError`."""
        text = self.options.get(name, str(default))
        value = int(text) if text.isdecimal() and len(text) < 12 else -1
        if not least <= value <= most:
            raise self.refused(f"{name}={text} is no number from {least} to {most}")
        return value

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        """An option that is one of a few words, the first if it is not given. Raises
        `UsageError`.
        """
        text = self.options.get(name, among[0])
        if text not in among:
            raise self.refused(f"{name}={text} is none of {', '.join(among)}")
        return text

    def names(self, name: str) -> list[str]:
        """An option that is a list, `a+b`; empty if it is not given."""
        return [word for word in self.options.get(name, "").split("+") if word]

    def refused(self, why: str) -> UsageError:
        """The error that says why this source cannot be."""
        return UsageError(f"source {self.source}: {why}")

    def denied(self, error: OSError, group: str = "") -> UsageError:
        """The error for a file that could not be used, with what would help: membership of the
        group that owns such devices on Debian and Raspberry Pi OS, if one does.
        """
        name = error.filename or self.head
        if error.errno in (errno.EACCES, errno.EPERM):
            cure = "run as root, or let a udev rule give your group the file"
            if group:
                cure = f"sudo usermod -aG {group} USER, and log in again"
            return self.refused(f"{name}: permission denied; {cure}")
        if error.errno == errno.EBUSY:
            return self.refused(f"{name} is in use by another program or driver")
        return self.refused(f"{name}: {error.strerror or error}")


def parse_spec(what: str, source: str, options: tuple[str, ...]) -> Spec:
    """Take a source's words apart. Raises `UsageError` for options that it does not have."""
    place, *words = what.split(",")
    head, mark, rate = place.rpartition("@")
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in options or (equals and not value) or name in found:
            among = ", ".join(options) or "none is possible"
            raise UsageError(f"source {source}: option {word!r}: {among}, each once")
        found[name] = value if equals else "yes"
    if not mark:
        head, rate = place, ""
    if not head:
        raise UsageError(f"source {source}: no device is named in {what!r}")
    return Spec(source, head, rate, found)


def overlay(line: str) -> str:
    """What enables a device on a Raspberry Pi, said in half a line."""
    return f"on a Raspberry Pi add {line} to {_CONFIG} and restart"
