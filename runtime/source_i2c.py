"""`i2c:BUS-ADDRESS[@RATE][,channels=a+b]`: a sensor on an I2C bus, by the driver that holds it.

BUS-ADDRESS is the device's name under /sys/bus/i2c/devices, as in `1-0048` (bus 1, address 0x48).
Its driver shows it as an IIO or a hwmon device, whose channels these are. Atoll does not talk to
the bus itself: two that do so disturb each other.
"""

from atoll.runtime.iio_device import IioDevice, polled
from atoll.runtime.source_hwmon import channels_in, chosen
from atoll.runtime.source_poll import RATE_HZ_MAX, Channel, PolledSource
from atoll.runtime.source_spec import Spec, overlay, parse_spec
from atoll.runtime.sources import parse_rate
from atoll.runtime.sysfs import names, read_text

FOLDER = "/sys/bus/i2c/devices"


class I2cSource(PolledSource):
    """A bound device's channels."""

    def __init__(self, dataset: str, what: str, device: str, *, root: str = "") -> None:
        spec = parse_spec(what, dataset, ("channels",))
        rate_hz = parse_rate(spec.rate or "1", dataset, RATE_HZ_MAX)
        bus, dash, address = spec.head.partition("-")
        right = bus.isdecimal() and dash and len(address) == 4
        if not right or set(address) - set("0123456789abcdef"):
            raise spec.refused(f"{spec.head!r} is no BUS-ADDRESS, such as 1-0048 for 0x48 on bus 1")
        super().__init__(dataset, device, rate_hz, lambda: _find(spec, root))


def _find(spec: Spec, root: str) -> list[Channel]:
    bus, _, address = spec.head.partition("-")
    folder = f"{root}{FOLDER}/{spec.head}"
    if not names(f"{root}{FOLDER}/i2c-{bus}"):
        there = ", ".join(names(root + FOLDER, "i2c-")) or "none"
        raise spec.refused(
            f"there is no I2C bus {bus}; there are: {there}; {overlay('dtparam=i2c_arm=on')}"
        )
    name = read_text(f"{folder}/name")
    if not name:
        there = ", ".join(names(root + FOLDER, f"{bus}-")) or "none"
        raise spec.refused(
            f"the kernel knows no device {spec.head}; there are: {there}; tell it which chip that "
            f"is: echo CHIP 0x{address.lstrip('0') or '0'} | sudo tee {FOLDER}/i2c-{bus}/new_device"
        )
    for entry in names(folder, "iio:device"):
        device = IioDevice(f"{folder}/{entry}", "", name)
        return chosen(spec, polled(device), f"{name} at {spec.head}")
    for entry in names(f"{folder}/hwmon", "hwmon"):
        return chosen(spec, channels_in(f"{folder}/hwmon/{entry}"), f"{name} at {spec.head}")
    if names(f"{folder}/driver"):
        raise spec.refused(
            f"{name} at {spec.head}: its driver shows neither iio nor hwmon channels"
        )
    raise spec.refused(f"{name} at {spec.head} has no driver: sudo modprobe {name}")
