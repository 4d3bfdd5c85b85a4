"""`hwmon:CHIP@RATE[,channels=a+b]`: what the kernel's hardware monitoring measures.

CHIP is the chip's name (`cpu_thermal`, `ina219`) or `hwmonN`; a channel is a file `temp1_input`
without its end. Counts are the kernel's (millidegrees, millivolts, milliamperes, microwatts,
microjoules, milli-percent, revolutions a minute, Hz), in i32; scale and unit are the stream's.
"""

import os

from atoll.runtime.source_poll import RATE_HZ_MAX, Channel, PolledSource
from atoll.runtime.source_spec import Spec, overlay, parse_spec
from atoll.runtime.sources import parse_rate
from atoll.runtime.sysfs import names, read_text

FOLDER = "/sys/class/hwmon"
_UNITS = {
    "temp": (0.001, "degC"),
    "in": (0.001, "V"),
    "curr": (0.001, "A"),
    "power": (1e-6, "W"),
    "energy": (1e-6, "J"),
    "humidity": (0.001, "%"),
    "fan": (1.0, "rpm"),
    "freq": (1.0, "Hz"),
}


class HwmonSource(PolledSource):
    """A monitoring chip's inputs."""

    def __init__(self, dataset: str, what: str, device: str, *, root: str = "") -> None:
        spec = parse_spec(what, dataset, ("channels",))
        rate_hz = parse_rate(spec.rate or "1", dataset, RATE_HZ_MAX)
        super().__init__(dataset, device, rate_hz, lambda: _find(spec, root))


def channels_in(folder: str) -> list[Channel]:
    """The inputs of one chip."""
    found = []
    for name in names(folder):
        channel = name.removesuffix("_input")
        scale, unit = _UNITS.get(channel.rstrip("0123456789"), (0.0, ""))
        if channel != name and scale:
            found.append(Channel(channel, f"{folder}/{name}", "i32", scale, unit))
    return found


def chosen(spec: Spec, channels: list[Channel], where: str) -> list[Channel]:
    """The channels that the source asks for, all if it names none. Raises `UsageError`."""
    wanted = spec.names("channels")
    by_name = {one.name: one for one in channels}
    for name in wanted:
        if name not in by_name:
            among = ", ".join(by_name) or "none"
            raise spec.refused(f"{where} has no channel {name!r}; it has {among}")
    if not channels:
        raise spec.refused(f"{where} has no channel that can be read")
    return [by_name[name] for name in wanted] if wanted else channels


def _find(spec: Spec, root: str) -> list[Channel]:
    chips = {}
    for entry in names(root + FOLDER, "hwmon"):
        folder = f"{root}{FOLDER}/{entry}"
        name = read_text(f"{folder}/name")
        if spec.head in (entry, name):
            return chosen(spec, channels_in(folder), f"hwmon {spec.head}")
        chips[entry] = name
    there = ", ".join(f"{name or '?'} ({entry})" for entry, name in chips.items()) or "none"
    raise spec.refused(
        f"no hwmon chip {spec.head!r}; there are: {there}; plug it in and load its driver: "
        + overlay(f"dtoverlay=i2c-sensor,{os.path.basename(spec.head)}")
    )
