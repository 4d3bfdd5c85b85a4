"""What can go wrong between a client and its fleet, by whose fault it is.

    FleetError              exit code 1
      Refused               the gateway, or a check made before asking it, said no: ask differently
        BadSamples          the samples cannot be a stream as they are; the message says how
      Unreachable           4: no broker or no gateway answers; trying again later may help
        TimedOut            4: the gateway is there, the answer did not come in time
      Incomplete            3: an answer came, without some of the data
      Closed                the connection was closed by its owner

`exit_code` is what the command line ends with; it lives here so that the command line need not
import the client to know it.
"""


class FleetError(Exception):
    """Root of what a client raises."""

    exit_code = 1


class Refused(FleetError):
    """The request itself is at fault; the message says what would be right."""


class BadSamples(Refused, ValueError):
    """These samples cannot be a stream as they are."""


class Unreachable(FleetError):
    """No broker, or no gateway behind it, answers."""

    exit_code = 4


class TimedOut(Unreachable):
    """The answer did not come within the time given."""


class Incomplete(FleetError):
    """Some of the data was out of reach; `missing` lists what."""

    exit_code = 3

    def __init__(self, message: str, missing: list[object]) -> None:
        super().__init__(message)
        self.missing = missing


class Closed(FleetError):
    """The connection is closed."""
