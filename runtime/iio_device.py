"""An IIO device (the kernel's drivers of ADCs, IMUs and the like) as sysfs shows it.

    /sys/bus/iio/devices/iio:deviceN/name
        in_voltage0_raw, in_voltage_scale, in_voltage0_offset     polled: (raw + offset) * scale
        in_temp_input                                             polled: in the unit already
        scan_elements/in_voltage0_{en,index,type}                 what a buffer may hold
        sampling_frequency, buffer/{length,watermark,enable}, trigger/current_trigger

Units are the kernel's (Documentation/ABI/testing/sysfs-bus-iio).
"""

from typing import NamedTuple

from atoll.runtime.iio_scan import TIMESTAMP, Element, parse_type
from atoll.runtime.source_poll import Channel
from atoll.runtime.source_spec import Spec, overlay
from atoll.runtime.sysfs import names, read_float, read_text

FOLDER = "/sys/bus/iio/devices"
_UNITS = {
    "voltage": "mV",
    "altvoltage": "mV",
    "current": "mA",
    "power": "mW",
    "energy": "J",
    "resistance": "ohm",
    "capacitance": "nF",
    "accel": "m/s2",
    "gravity": "m/s2",
    "anglvel": "rad/s",
    "angl": "rad",
    "incli": "deg",
    "magn": "G",
    "temp": "mdegC",
    "humidityrelative": "m%",
    "pressure": "kPa",
    "illuminance": "lx",
    "distance": "m",
    "velocity": "m/s",
    "phase": "rad",
}
_NO_DIGITS = {ord(digit): None for digit in "0123456789"}
# Overlays of a Raspberry Pi that are not dtoverlay=i2c-sensor,NAME.
_OVERLAYS = {
    "ads1015": "dtoverlay=ads1015",
    "ads1115": "dtoverlay=ads1115",
    "mcp3008": "dtoverlay=mcp3008",
    "mcp3208": "dtoverlay=mcp3208",
    "mpu6050": "dtoverlay=mpu6050",
    "dht11": "dtoverlay=dht11,gpiopin=4",
    "dht22": "dtoverlay=dht11,gpiopin=4",
}


class IioDevice(NamedTuple):
    """A device's folder, and where its buffer is read."""

    folder: str
    node: str
    name: str


def find_device(spec: Spec, root: str) -> IioDevice:
    """The device of that name (`ads1015`), entry (`iio:device0`) or number. Raises `UsageError`."""
    there = []
    for entry in names(root + FOLDER, "iio:device"):
        folder = f"{root}{FOLDER}/{entry}"
        name = read_text(f"{folder}/name")
        if spec.head in (name, entry, entry.removeprefix("iio:device")):
            return IioDevice(folder, f"{root}/dev/{entry}", name or entry)
        there.append(f"{name or '?'} ({entry})")
    line = _OVERLAYS.get(spec.head, f"dtoverlay=i2c-sensor,{spec.head}")
    raise spec.refused(
        f"no iio device {spec.head!r}; there are: {', '.join(there) or 'none'}; "
        f"plug the sensor in and load its driver: {overlay(line)}"
    )


def kind_of(channel: str) -> str:
    """What a channel measures: `voltage` of `voltage0`, `accel` of `accel_x`."""
    return channel.partition("_")[0].partition("-")[0].rstrip("0123456789")


def attribute(device: IioDevice, channel: str, what: str) -> str:
    """The path of a channel's attribute: its own, or that of all channels of its kind."""
    alike = channel.translate(_NO_DIGITS)
    for name in (channel, alike, kind_of(channel)):
        path = f"{device.folder}/in_{name}_{what}"
        if read_text(path):
            return path
    return ""


def scale_of(device: IioDevice, channel: str) -> tuple[float, str]:
    """Scale and unit of a channel's raw counts; 1 and none where the driver says no scale."""
    scale = read_float(attribute(device, channel, "scale") or "/nowhere")
    return (scale, _UNITS.get(kind_of(channel), "")) if scale else (1.0, "")


def offset_of(device: IioDevice, channel: str) -> float:
    """What is to be added to a channel's raw counts before they are scaled."""
    return read_float(attribute(device, channel, "offset") or "/nowhere") or 0.0


def polled(device: IioDevice) -> list[Channel]:
    """The channels that can be read one by one: raw counts, or else values in their unit."""
    found = {}
    for name in names(device.folder, "in_"):
        path = f"{device.folder}/{name}"
        channel = name[len("in_") :].removesuffix("_raw")
        if name.endswith("_raw"):
            scale, unit = scale_of(device, channel)
            offset = offset_of(device, channel)
            # An offset that is no whole count takes floats: the counts must stay counts.
            dtype = "i32" if offset == int(offset) else "f32"
            found[channel] = Channel(channel, path, dtype, scale, unit, offset)
        elif name.endswith("_input"):
            channel = channel.removesuffix("_input")
            unit = _UNITS.get(kind_of(channel), "")
            found.setdefault(channel, Channel(channel, path, "f32", 1.0, unit))
    return list(found.values())


def buffered(device: IioDevice) -> list[Element]:
    """What the device's buffer may hold. Raises `ValueError` for a type that is none."""
    folder = f"{device.folder}/scan_elements"
    found = []
    for name in names(folder, "in_"):
        stem = name.removesuffix("_type")
        if stem == name:
            continue
        channel = stem[len("in_") :]
        index = read_float(f"{folder}/{stem}_index")
        offset = 0.0 if channel == TIMESTAMP else offset_of(device, channel)
        if offset != int(offset):
            raise ValueError(f"{channel}: an offset of {offset} is no whole count: poll it instead")
        element = parse_type(channel, int(index or 0), read_text(f"{folder}/{name}"), int(offset))
        found.append(element)
    return sorted(found, key=lambda one: one.order)
