"""`proc:RATEhz`: this machine's own counters, so that live input exists wherever Linux runs.

Six streams of i32: `cpu` (busy ticks of all cores), `ctxt` (context switches), `intr` (interrupts),
`net_rx` and `net_tx` (bytes over all interfaces but loopback) as differences between two readings,
and `mem` (available memory in KiB) as it is. A difference beyond i32 or below zero (a counter that
began anew) is cut to the range.
"""

import os
from struct import Struct

from atoll.runtime.errors import UsageError
from atoll.runtime.sources import TickedSource, parse_rate
from atoll.wire.messages import StreamInfo

RATE_HZ_MAX = 100.0
COUNTERS = {
    "cpu": "ticks",
    "ctxt": "1",
    "intr": "1",
    "mem": "KiB",
    "net_rx": "B",
    "net_tx": "B",
}
_I32 = Struct("<i")
_I32_MAX = 2**31 - 1
# /proc/stat's line of interrupts is long on servers; what is wanted stands behind it.
_READ_MAX = 1_048_576


class ProcReader:
    """Reads the counters through files that stay open."""

    def __init__(self, root: str = "/proc") -> None:
        self._files = [
            os.open(f"{root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            for name in ("stat", "meminfo", "net/dev")
        ]
        self._before = self._totals()

    def _totals(self) -> dict[str, int]:
        stat, meminfo, net = (os.pread(file, _READ_MAX, 0) for file in self._files)
        totals = dict.fromkeys(COUNTERS, 0)
        for line in stat.splitlines():
            name, _, rest = line.partition(b" ")
            if name == b"cpu":
                ticks = [int(field) for field in rest.split()[:8]]
                totals["cpu"] = sum(ticks) - sum(ticks[3:5])  # less idle and waiting for disks
            elif name in (b"ctxt", b"intr"):
                totals[name.decode()] = int(rest.partition(b" ")[0])
        at = meminfo.find(b"MemAvailable:")
        if at >= 0:
            totals["mem"] = int(meminfo[at : at + 64].split()[1])
        for line in net.splitlines()[2:]:
            name, _, rest = line.partition(b":")
            fields = rest.split()
            if name.strip() != b"lo" and len(fields) >= 9:
                totals["net_rx"] += int(fields[0])
                totals["net_tx"] += int(fields[8])
        return totals

    def sample(self) -> list[bytes]:
        """One sample of each counter, in the order of `COUNTERS`."""
        now, before = self._totals(), self._before
        self._before = now
        values = (now[name] - (0 if name == "mem" else before[name]) for name in COUNTERS)
        return [_I32.pack(min(max(value, 0), _I32_MAX)) for value in values]

    def close(self) -> None:
        """Give the files back."""
        for file in self._files:
            os.close(file)


class ProcSource(TickedSource):
    """The counters at a set rate."""

    def __init__(self, dataset: str, rate: str, device: str, *, root: str = "/proc") -> None:
        rate_hz = parse_rate(rate, dataset, RATE_HZ_MAX)
        streams = [
            StreamInfo(dataset, f"{device}/{name}", "i32", 1, rate_hz, 1.0, unit)
            for name, unit in COUNTERS.items()
        ]
        try:
            reader = ProcReader(root)
        except OSError as error:
            raise UsageError(
                f"source {dataset}: {error.filename} cannot be read: {error.strerror}"
            ) from None
        super().__init__(dataset, streams, reader.sample, reader.close)
