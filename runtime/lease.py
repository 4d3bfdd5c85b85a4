"""How long the device may act for others: heartbeats out, leases in, all on the device's own
monotonic clock.

A lease counts from the moment its request was sent, less a margin for clocks that drift, so that it
has always ended here before the gateway believes it has. A grant answers one request of this boot;
anything else is stale.
"""

from atoll.wire import messages

# The gateway waits 5 % longer than it granted, the device stops 5 % sooner.
DRIFT_MARGIN = 0.05
# Seconds between requests until a grant names an interval.
INTERVALS_S = {"fast": 0.5, "normal": 2.0, "battery": 30.0, "metered": 600.0, "demo": 0.25}
# Requests whose answers may still come: a grant older than these is of no use.
REQUESTS_KEPT = 16
# The link's loss is that of the last so many requests whose answers are no longer awaited.
LOSS_WINDOW = 32
# A gateway may not silence or flood a device by its interval.
INTERVAL_S_MIN, INTERVAL_S_MAX = 0.05, 3_600.0


class LeaseClock:
    """When to ask, and whether a lease holds."""

    def __init__(self, profile: str) -> None:
        self.interval_s = INTERVALS_S[profile]
        self.until = 0.0
        self.number = 0
        self.round_trip_ms = -1
        self._sent: dict[int, float] = {}
        self.next_request = 0.0  # when it is due
        self._answered: list[bool] = []

    def holds(self, now: float) -> bool:
        """Whether the device may act for others."""
        return now < self.until

    @property
    def loss_permille(self) -> int:
        """Requests of late that were never answered; -1 before there were enough to tell."""
        if len(self._answered) < LOSS_WINDOW:
            return -1
        return self._answered.count(False) * 1_000 // LOSS_WINDOW

    def _note(self, *, answered: bool) -> None:
        self._answered.append(answered)
        del self._answered[:-LOSS_WINDOW]

    def ask_at_once(self, now: float) -> None:
        """A request is due now: after a probe, a birth, a new connection."""
        self.next_request = now

    def request(self, now: float) -> int:
        """The number of the request that is sent now."""
        self.number += 1
        self._sent[self.number] = now
        if len(self._sent) > REQUESTS_KEPT:
            del self._sent[next(iter(self._sent))]
            self._note(answered=False)
        self.next_request = now + self.interval_s
        return self.number

    def grant(self, lease: messages.Lease, boot: int, now: float) -> str:
        """Take a grant in; why it is refused, empty if it is not."""
        if lease.device_boot != boot:
            return "lease of another boot"
        sent = self._sent.pop(lease.number, None)
        if sent is None:
            return "lease not asked for"
        self._note(answered=True)
        self.round_trip_ms = round((now - sent) * 1_000)
        interval_s = min(max(lease.interval_ms / 1_000, INTERVAL_S_MIN), INTERVAL_S_MAX)
        if interval_s != self.interval_s:
            self.interval_s = interval_s
            self.next_request = min(self.next_request, now + interval_s)
        until = sent + lease.duration_ms / 1_000 * (1 - DRIFT_MARGIN)
        if not lease.birth_wanted:
            self.until = max(self.until, until)
        return ""
