"""`iio:DEVICE[@RATE][,channels=a+b][,buffer][,trigger=NAME]`: the kernel's drivers of ADCs, IMUs
and other sensors.

Without `buffer` each channel's file is read at each tick, at most 200 Hz. With it the device (or a
trigger) takes the samples at its own rate into a buffer of the kernel's, which is read from
`/dev/iio:deviceN` a few times a second. Lost samples show in the scans' timestamps and are gaps.
"""

import os
from contextlib import suppress

from atoll.runtime import iio_device
from atoll.runtime.errors import UsageError
from atoll.runtime.iio_scan import TIMESTAMP, Element, Scan
from atoll.runtime.source_flow import FlowSource, Piece
from atoll.runtime.source_hwmon import chosen
from atoll.runtime.source_poll import CHANNELS_MAX, RATE_HZ_MAX, Channel, PolledSource
from atoll.runtime.source_spec import Spec, parse_spec
from atoll.runtime.sources import HAND_ON_S, Source, parse_rate
from atoll.runtime.sysfs import names, read_float, read_text, write
from atoll.wire.messages import StreamInfo

# Beyond this a buffer of the kernel's would be a megabyte and more, and Python the bottleneck.
BUFFER_HZ_MAX = 100_000.0
# The kernel's buffer holds this much time, within bounds: the process may be held up for as long.
BUFFER_S = 2.0
SCANS_MIN, SCANS_MAX = 64, 65_536
# Scans this many periods apart have others missing between them.
GAP_PERIODS = 1.75
RATE_FILES = ("sampling_frequency", "buffer/sampling_frequency", "trigger/sampling_frequency")


def make_iio(dataset: str, what: str, device: str, *, root: str = "") -> Source:
    """The source, polled or buffered. Raises `UsageError`."""
    spec = parse_spec(what, dataset, ("channels", "buffer", "trigger"))
    if "buffer" in spec.options or "trigger" in spec.options:
        return _buffered(spec, device, root)
    rate_hz = parse_rate(spec.rate or "1", dataset, RATE_HZ_MAX)

    def find() -> list[Channel]:
        found = iio_device.find_device(spec, root)
        return chosen(spec, iio_device.polled(found), f"iio device {spec.head}")

    return PolledSource(dataset, device, rate_hz, find)


def _buffered(spec: Spec, device: str, root: str) -> FlowSource:
    wanted = parse_rate(spec.rate, spec.source, BUFFER_HZ_MAX) if spec.rate else 0.0
    feed = IioBuffer(spec, root, wanted)
    streams = []
    for element in feed.scan.elements:
        scale, unit = iio_device.scale_of(feed.device, element.name)
        dtype = "i16" if element.code == "h" else "i32"
        for name in element.names:
            key = f"{device}/{name}"
            streams.append(StreamInfo(spec.source, key, dtype, 1, feed.rate_hz, scale, unit))
    if len(streams) > CHANNELS_MAX:
        raise spec.refused(f"{len(streams)} channels, at most {CHANNELS_MAX}: channels=a+b")
    return FlowSource(spec.source, streams, feed)


class IioBuffer:
    """A device's buffer as a feed. Setting it up is tried when it is made, so that what is missing
    is told at the start.
    """

    pace_s = 0.0

    def __init__(self, spec: Spec, root: str, rate_hz: float) -> None:
        self._spec = spec
        self._root = root
        self._wanted = rate_hz
        self.missed = 0
        self._file = -1
        self._rest = b""
        self._last_ns = 0
        self.device = iio_device.find_device(spec, root)
        self.scan = Scan(self._elements())
        self.rate_hz = self._set_rate()
        self._set_up()
        os.close(self._file)
        self._file = -1

    def open(self) -> int:
        """Set the buffer up and begin."""
        self._rest, self._last_ns = b"", 0
        device = iio_device.find_device(self._spec, self._root)
        if device != self.device:  # after a plug was pulled it may have another number
            self.device = device
            self._set_rate()
        self._set_up()
        self._switch("1")
        return self._file

    def close(self) -> str:
        """End the capture."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with suppress(UsageError):
            self._switch("0")
        return ""

    def take(self, data: bytes) -> list[Piece]:
        """Whole scans, cut where timestamps say that some are missing."""
        data = self._rest + data
        whole = len(data) // self.scan.size * self.scan.size
        data, self._rest = data[:whole], data[whole:]
        if not data:
            return []
        times, size = self.scan.timestamps(data), self.scan.size
        period_ns = 1e9 / self.rate_hz
        pieces, begun, gap = [], 0, False
        for at, ns in enumerate(times):
            step = (ns - self._last_ns) / period_ns
            if self._last_ns and not 0 < step < GAP_PERIODS:
                if at > begun:
                    pieces.append(self._piece(data[begun * size : at * size], gap))
                self.missed += max(1, round(step) - 1) if step > 0 else 1
                begun, gap = at, True
            self._last_ns = ns
        pieces.append(self._piece(data[begun * size :], gap))
        return pieces

    def _piece(self, data: bytes, gap: bool) -> Piece:
        return Piece(self.scan.columns(data), len(data) // self.scan.size, gap)

    def _elements(self) -> list[Element]:
        """The channels asked for, and the timestamp if there is one. Raises `UsageError`."""
        spec, folder = self._spec, self.device.folder
        try:
            there = {one.name: one for one in iio_device.buffered(self.device)}
        except ValueError as error:
            raise spec.refused(str(error)) from None
        if not there or not names(f"{folder}/buffer"):
            raise spec.refused(f"iio device {spec.head} has no buffer: leave out ,buffer")
        wanted = spec.names("channels") or [name for name in there if name != TIMESTAMP]
        for name in wanted:
            if name not in there:
                raise spec.refused(f"its buffer has no channel {name!r}; it has {', '.join(there)}")
        return [there[name] for name in there if name in wanted or name == TIMESTAMP]

    def _set_up(self) -> None:
        """Switch the channels on and open the device. Raises `UsageError`."""
        folder = self.device.folder
        self._switch("0")
        on = {one.name for one in self.scan.elements} | {TIMESTAMP}
        for name in names(f"{folder}/scan_elements", "in_"):
            if name.endswith("_en"):
                wanted = name[len("in_") :].removesuffix("_en") in on
                self._write(f"scan_elements/{name}", "1" if wanted else "0")
        self._set_trigger()
        scans = min(max(round(self.rate_hz * BUFFER_S), SCANS_MIN), SCANS_MAX)
        self._write("buffer/length", str(scans))
        ahead = min(max(1, round(self.rate_hz * HAND_ON_S)), scans // 2)
        if read_text(f"{folder}/buffer/watermark"):
            self._write("buffer/watermark", str(ahead))
        # Times that do not leap when the clock is set; older kernels have realtime only.
        with suppress(OSError):
            write(f"{folder}/current_timestamp_clock", "monotonic")
        try:
            self._file = os.open(self.device.node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._spec.denied(error) from None

    def _set_trigger(self) -> None:
        """Devices that do not pace themselves take their samples when a trigger fires."""
        path = f"{self.device.folder}/trigger/current_trigger"
        wanted = self._spec.options.get("trigger", "")
        if wanted:
            self._write("trigger/current_trigger", wanted)
        elif os.path.exists(path) and not read_text(path):
            raise self._spec.refused(
                f"iio device {self._spec.head} waits for a trigger: trigger=NAME, one of "
                f"{self._triggers()}; mkdir /sys/kernel/config/iio/triggers/hrtimer/atoll makes one"
            )

    def _triggers(self) -> str:
        folder = self._root + iio_device.FOLDER
        there = [read_text(f"{folder}/{name}/name") for name in names(folder, "trigger")]
        return ", ".join(there) or "(none is there)"

    def _trigger_folder(self) -> str:
        folder = self._root + iio_device.FOLDER
        wanted = self._spec.options.get("trigger", "")
        for name in names(folder, "trigger"):
            if wanted and read_text(f"{folder}/{name}/name") == wanted:
                return f"{folder}/{name}"
        return ""

    def _set_rate(self) -> float:
        """Ask for the rate; what the driver made of it. Raises `UsageError`."""
        folders = [self._trigger_folder(), self.device.folder]
        paths = [f"{one}/{name}" for one in folders if one for name in RATE_FILES]
        kinds = {iio_device.kind_of(one.name) for one in self.scan.elements}
        paths += [f"{self.device.folder}/in_{kind}_sampling_frequency" for kind in sorted(kinds)]
        there = [path for path in paths if read_float(path)]
        for path in there:
            if self._wanted:
                with suppress(OSError):
                    write(path, f"{self._wanted:g}")
        found = (read_float(there[0]) if there else None) or self._wanted
        if not found:
            raise self._spec.refused("no rate: write it behind an @, as in iio:ads1015@1600hz")
        if self._wanted and abs(found - self._wanted) > 0.01 * self._wanted:
            among = read_text(f"{there[0]}_available") or f"{found:g}"
            raise self._spec.refused(f"rate {self._wanted:g} Hz: the driver has {among}")
        return parse_rate(str(found), self._spec.source, BUFFER_HZ_MAX)

    def _switch(self, value: str) -> None:
        self._write("buffer/enable", value)

    def _write(self, name: str, value: str) -> None:
        try:
            write(f"{self.device.folder}/{name}", value)
        except OSError as error:
            raise self._spec.denied(error) from None
