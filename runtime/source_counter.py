"""`counter:DEVICE@RATE[,channels=a+b]`: the kernel's counter subsystem (pulse and quadrature
counters of a processor's timers).

DEVICE is `counterN` or the device's name. Streams are `countM`, i32: how far the count went since
the sample before, backwards below zero; where it goes round at its `ceiling`, by the shorter way.
"""

from atoll.runtime.source_hwmon import chosen
from atoll.runtime.source_poll import RATE_HZ_MAX, Channel, PolledSource
from atoll.runtime.source_spec import Spec, parse_spec
from atoll.runtime.sources import parse_rate
from atoll.runtime.sysfs import names, read_float, read_text, write

FOLDER = "/sys/bus/counter/devices"
# A count is a u64 where no ceiling is told.
_MODULUS = 2**64


class CounterSource(PolledSource):
    """A counter device's counts."""

    def __init__(self, dataset: str, what: str, device: str, *, root: str = "") -> None:
        spec = parse_spec(what, dataset, ("channels",))
        rate_hz = parse_rate(spec.rate or "10", dataset, RATE_HZ_MAX)
        super().__init__(dataset, device, rate_hz, lambda: _find(spec, root))


def _find(spec: Spec, root: str) -> list[Channel]:
    there = {}
    for entry in names(root + FOLDER, "counter"):
        folder = f"{root}{FOLDER}/{entry}"
        there[entry] = read_text(f"{folder}/name")
        if spec.head in (entry, entry.removeprefix("counter"), there[entry]):
            found = chosen(spec, _counts(folder), f"counter {spec.head}")
            for one in found:
                _enable(spec, one.path.removesuffix("/count"))
            return found
    among = ", ".join(f"{name or '?'} ({entry})" for entry, name in there.items()) or "none"
    raise spec.refused(
        f"no counter {spec.head!r}; there are: {among}; enable the timer's counter in the board's "
        "device tree, or count a GPIO line: gpio:17@10hz"
    )


def _counts(folder: str) -> list[Channel]:
    found = []
    for name in names(folder, "count"):
        path = f"{folder}/{name}/count"
        if read_text(path):
            ceiling = int(read_float(f"{folder}/{name}/ceiling") or 0)
            found.append(
                Channel(name, path, "i32", 1.0, "1", 0, ceiling + 1 if ceiling else _MODULUS)
            )
    return found


def _enable(spec: Spec, folder: str) -> None:
    """Let a count run that is not enabled."""
    if read_text(f"{folder}/enable") != "0":
        return
    try:
        write(f"{folder}/enable", "1")
    except OSError as error:
        raise spec.denied(error) from None
