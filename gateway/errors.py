"""What the gateway can fail of.

GatewayError            a person must do something: one line, exit 1 ├── ConfigError         the
configuration file or an option is wrong └── LedgerError         the ledger is damaged, from a newer
version, or in use RequestError            a client asked for something that cannot be done;
answered, never raised further
"""


class GatewayError(Exception):
    """The gateway cannot start or go on; the message is one line that says what would be right."""


class ConfigError(GatewayError):
    """An option or a key of the configuration file is wrong."""


class LedgerError(GatewayError):
    """The ledger cannot be opened, read or written.

    `fatal`: trying again is no use; else (disk full) it is.
    """

    def __init__(self, message: str, *, fatal: bool = True) -> None:
        super().__init__(message)
        self.fatal = fatal


class RequestError(Exception):
    """A client's request cannot be met; the message is the answer."""
