"""`alsa:DEVICE@RATE[,channels=N][,format=s16|s32]`: sound capture, by the program `arecord`.

DEVICE is ALSA's name (`hw:1`, `plughw:1,0`, `default`). arecord hands over raw samples through a
pipe; one stream for each channel, `left` and `right` of two, i16 or i32. What
it reports as an overrun is a gap; where it ends (a microphone was unplugged) it is begun again.
"""

import os
import shutil
from contextlib import suppress
from fcntl import F_SETPIPE_SZ, fcntl
from signal import SIGKILL
from struct import calcsize

from atoll.runtime.source_flow import FlowSource, Piece
from atoll.runtime.source_spec import Spec, overlay, parse_spec
from atoll.runtime.sources import parse_rate
from atoll.runtime.sysfs import read_text
from atoll.wire.messages import StreamInfo

RATE_HZ_MAX = 192_000.0
CHANNELS_MAX = 8
# What waits while the process is held up: over a second of two channels at 48 kHz in 32 bits.
PIPE_BYTES = 524_288
SAID_BYTES_MAX = 4_096
CARDS = "/proc/asound/cards"
FORMATS = {"s16": ("S16_LE", "i16", "h"), "s32": ("S32_LE", "i32", "i")}


class AlsaSource(FlowSource):
    """A card's channels."""

    def __init__(self, dataset: str, what: str, device: str, *, root: str = "") -> None:
        spec = _spec(what, dataset)
        rate_hz = parse_rate(spec.rate or "48000", dataset, RATE_HZ_MAX)
        if rate_hz != int(rate_hz):
            raise spec.refused(f"rate {spec.rate}: a whole number of Hz")
        channels = spec.number("channels", 1, 1, CHANNELS_MAX)
        recorder = Arecord(spec, int(rate_hz), channels, root)
        titles = ("left", "right") if channels == 2 else tuple(f"mic{n}" for n in range(channels))
        scale = 1.0 / (2**15 if recorder.dtype == "i16" else 2**31)
        streams = [
            StreamInfo(dataset, f"{device}/{name}", recorder.dtype, 1, rate_hz, scale, "FS")
            for name in titles
        ]
        super().__init__(dataset, streams, recorder)


class Arecord:
    """arecord's output as a feed. Raises `UsageError` where there is no card to record from."""

    pace_s = 0.0

    def __init__(self, spec: Spec, rate: int, channels: int, root: str) -> None:
        form, self.dtype, self._code = FORMATS[spec.choice("format", tuple(FORMATS))]
        if not read_text(root + CARDS) or "no soundcards" in read_text(root + CARDS):
            raise spec.refused(
                "there is no sound card (/proc/asound/cards); plug a USB microphone in, or "
                + overlay("the dtoverlay of the sound board")
            )
        self._program = shutil.which("arecord") or ""
        if not self._program:
            raise spec.refused("arecord is missing: sudo apt install alsa-utils")
        words = ["arecord", "-q", "-t", "raw", "-f", form, "-D", spec.head]
        self._words = [*words, "-r", str(rate), "-c", str(channels)]
        self._channels = channels
        self._frame_bytes = calcsize(self._code) * channels
        self.missed = 0
        self._pid = self._out = self._err = -1
        self._rest = b""

    def open(self) -> int:
        """Start arecord; its output. Raises `OSError`."""
        self._rest = b""
        self._out, out = os.pipe2(os.O_CLOEXEC)
        self._err, err = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with suppress(OSError):  # a user's pipes may be bounded
            fcntl(out, F_SETPIPE_SZ, PIPE_BYTES)
        actions = [(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
        # posix_spawn: the subprocess module would stay in memory for this.
        try:
            self._pid = os.posix_spawn(self._program, self._words, os.environ, file_actions=actions)
        finally:
            os.close(out)
            os.close(err)
        return self._out

    def take(self, data: bytes) -> list[Piece]:
        """Whole frames, one column a channel; after an overrun with a gap."""
        data = self._rest + data
        whole = len(data) // self._frame_bytes * self._frame_bytes
        data, self._rest = data[:whole], data[whole:]
        gap = "overrun" in self._hear()
        self.missed += gap
        if not data:
            return []
        view = memoryview(data).cast(self._code)  # type: ignore[call-overload]
        columns = [view[at :: self._channels].tobytes() for at in range(self._channels)]
        return [Piece(columns, whole // self._frame_bytes, gap)]

    def close(self) -> str:
        """End arecord; the last line that it said."""
        if self._pid < 0:
            return ""
        with suppress(OSError):
            os.kill(self._pid, SIGKILL)
        os.waitpid(self._pid, 0)
        said = self._hear().strip().rpartition("\n")[2]
        for file in (self._out, self._err):
            os.close(file)
        self._pid = self._out = self._err = -1
        return said

    def _hear(self) -> str:
        """What arecord has said since."""
        try:
            return os.read(self._err, SAID_BYTES_MAX).decode("ascii", "replace")
        except BlockingIOError:
            return ""


def _spec(what: str, dataset: str) -> Spec:
    """A card and its device are apart by a comma, too: `plughw:1,0@48000hz,channels=2`."""
    card, comma, rest = what.partition(",")
    number, mark, _ = rest.partition("@")
    device = bool(comma and mark and number.isdecimal()) or rest.isdecimal()
    spec = parse_spec(f"{card}\0{rest}" if device else what, dataset, ("channels", "format"))
    return spec._replace(head=spec.head.replace("\0", ","))
