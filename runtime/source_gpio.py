"""`gpio:[CHIP/]LINE[+LINE...][@RATE][,edge=E][,bias=B][,debounce=US]`: pulses on GPIO lines, as of
an energy meter, a flow meter or an anemometer.

Streams are `lineN`, i32: edges since the sample before. `edge` is rising, falling or both; `bias`
as-is, up, down or none. CHIP is `gpiochipN` or a label (`pinctrl-rp1`); without it the processor's
own lines are meant, which on a Raspberry Pi are those of its header.
"""

import errno
from fcntl import ioctl as _ioctl
from struct import Struct

from atoll.runtime.gpio_lines import BIASES, EDGES, EdgeCounter, Ioctl, chip_info
from atoll.runtime.source_spec import Spec, parse_spec
from atoll.runtime.sources import TickedSource, parse_rate
from atoll.runtime.sysfs import names
from atoll.wire.messages import StreamInfo

RATE_HZ_MAX = 200.0
LINES_MAX = 32
DEBOUNCE_US_MAX = 1_000_000
_I32 = Struct("<i")
_I32_MAX = 2**31 - 1


class GpioSource(TickedSource):
    """Some lines of one chip."""

    def __init__(
        self, dataset: str, what: str, device: str, *, root: str = "", ioctl: Ioctl = _ioctl
    ) -> None:
        spec = parse_spec(what, dataset, ("edge", "bias", "debounce"))
        rate_hz = parse_rate(spec.rate or "10", dataset, RATE_HZ_MAX)
        chip, _, text = spec.head.rpartition("/")
        lines = [int(word) for word in text.split("+") if word.isdecimal() and len(word) < 5]
        if len(lines) != len(text.split("+")) or not 0 < len(set(lines)) == len(lines) <= LINES_MAX:
            raise spec.refused(f"{text!r}: 1 to {LINES_MAX} different lines, as in 17 or 17+27")
        flags = (
            EDGES[spec.choice("edge", tuple(EDGES))] | BIASES[spec.choice("bias", tuple(BIASES))]
        )
        debounce = spec.number("debounce", 0, 0, DEBOUNCE_US_MAX)
        path = _chip(spec, chip, max(lines), root, ioctl)
        self._counters: list[EdgeCounter] = []
        try:
            for line in lines:
                self._counters.append(
                    EdgeCounter(path, line, flags, debounce_us=debounce, ioctl=ioctl)
                )
        except OSError as error:
            self._close_counters()
            if error.errno == errno.EINVAL:
                raise spec.refused(
                    f"{error.filename}: not on this chip or before Linux 5.10"
                ) from None
            raise spec.denied(error, "gpio") from None
        streams = [
            StreamInfo(dataset, f"{device}/line{line}", "i32", 1, rate_hz, 1.0, "1")
            for line in lines
        ]
        super().__init__(dataset, streams, self._sample, self._close_counters)

    def _close_counters(self) -> None:
        while self._counters:
            self._counters.pop().close()

    def _sample(self) -> list[bytes]:
        try:
            return [_I32.pack(min(one.count(), _I32_MAX)) for one in self._counters]
        except OSError as error:
            self.trouble = f"source {self.dataset}: {error.strerror}: the chip is gone"
            return []


def _chip(spec: Spec, chip: str, line: int, root: str, ioctl: Ioctl) -> str:
    """The path of the chip that is meant. Raises `UsageError`."""
    labels = {}
    for entry in names(f"{root}/dev", "gpiochip"):
        path = f"{root}/dev/{entry}"
        try:
            label, lines = chip_info(path, ioctl)
        except OSError as error:
            raise spec.denied(error, "gpio") from None
        if chip in (entry, label) or (not chip and label.startswith("pinctrl-")):
            if line >= lines:
                raise spec.refused(f"{entry} ({label}) has lines 0 to {lines - 1}, not {line}")
            return path
        labels[entry] = label
    if not chip and len(labels) == 1:
        return f"{root}/dev/{next(iter(labels))}"
    there = ", ".join(f"{label or '?'} ({entry})" for entry, label in labels.items()) or "none"
    what = f"no GPIO chip {chip!r}" if chip else "which GPIO chip is not clear: CHIP/LINE"
    raise spec.refused(
        f"{what}; there are: {there}; Linux 5.10 or later with /dev/gpiochip is needed"
    )
