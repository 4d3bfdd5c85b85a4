"""What can go wrong on a device, and whose fault it is.

`UsageError`: the person who started the device gave it something unusable (an id, a source, a store
path). `StoreError`: the machine under the device failed it (disk, file system, a store of another
version). `Refused`: the device declines one piece of work and stays well; the reason is sent to
whoever asked. `Missing`: samples that were asked for are not here in one piece; the reason names
where they end.
"""


class DeviceError(Exception):
    """Root of the package's errors. The message is one line that a person can act upon."""


class UsageError(DeviceError):
    """An option cannot be used as given."""


class StoreError(DeviceError):
    """The store on disk cannot be used."""


class Refused(DeviceError):
    """One piece of work was declined."""


class Missing(DeviceError):
    """The samples asked for are not all here."""
