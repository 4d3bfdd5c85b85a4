"""What can go wrong in the transport, for its callers to catch by one name."""


class TransportError(Exception):
    """Root of the package's errors; the message is for people."""


class AddressError(TransportError, ValueError):
    """A broker's address that is no address."""


class SettingsError(TransportError):
    """A settings file that cannot be read, or says what cannot be; the message names the file."""
