"""`atoll device`: run a device. Imports the runtime and nothing else: boards lack memory."""

import argparse
import os
from typing import Any

BROKER_DEFAULT = "mqtt://127.0.0.1:1883"
SITE_DEFAULT = "home"
PROFILES = ("fast", "normal", "battery", "metered", "demo")
# Keys of a settings file: what they are, and what they are where nobody says anything.
KINDS: dict[str, type] = {
    "id": str, "broker": str, "site": str, "store": str, "zone": str, "capacity": float,
    "source": list, "profile": str, "workers": int, "shared_machine": bool, "max_wait": int,
    "low_write": bool, "token": str,
}  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "broker": BROKER_DEFAULT, "site": SITE_DEFAULT, "store": "", "zone": "", "capacity": None,
    "source": [], "profile": "normal", "workers": 0, "shared_machine": False, "max_wait": 200,
    "low_write": False, "token": "",
}  # fmt: skip
VARIABLES = {"broker": "ATOLL_BROKER", "site": "ATOLL_SITE", "token": "ATOLL_TOKEN"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--id", help="name of the device; it stays the same for ever")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="TOML file with these options, - as _ (source a list); docs/device.md",
    )
    parser.add_argument(
        "--broker",
        metavar="URL",
        help=f"mqtt://host[:port], several separated by commas (ATOLL_BROKER; {BROKER_DEFAULT})",
    )
    parser.add_argument(
        "--site",
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )
    parser.add_argument(
        "--store", metavar="DIR", help="where shards are kept (~/.local/state/atoll/SITE/ID)"
    )
    parser.add_argument(
        "--zone", help="what fails together: a rack, a power feed (default: the id)"
    )
    parser.add_argument(
        "--capacity",
        type=float,
        metavar="W",
        help="share of the data it takes; 0: its own streams only (what the board bears)",
    )
    parser.add_argument(
        "--source",
        action="append",
        metavar="NAME=KIND:WHAT",
        help="sample into dataset NAME; may be repeated. KIND:WHAT is one of the kinds below",
    )
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        help="how often it reports (normal)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="compute threads (one a core)")
    parser.add_argument(
        "--shared-machine",
        action="store_true",
        default=None,
        help="other devices run on this machine, too: its load does not make this one weigh less",
    )
    parser.add_argument(
        "--max-wait",
        type=int,
        metavar="MS",
        help="longest wait of an acknowledgement for its sync (200; 30000 spares a card)",
    )
    parser.add_argument(
        "--low-write",
        action="store_true",
        default=None,
        help="spare a card: blocks of slow streams grow for 10 minutes, syncs wait for 30 s",
    )
    parser.add_argument(
        "--wakes-in",
        type=int,
        default=0,
        metavar="S",
        help="it is stopped to sleep, and back after so many seconds: until then nobody misses it",
    )
    parser.add_argument(
        "--token",
        help="the one-time token of atoll enroll (ATOLL_TOKEN); needed once",
    )
    parser.epilog = (
        "example:\n"
        "  atoll device --id pi-07 --broker mqtt://192.168.1.10 --store /var/lib/atoll\n"
        "  atoll device --id pi-07 --source machine=proc:100hz --source board=hwmon:cpu_thermal\n"
        "sources (docs/sources.md has the rest):\n"
        "  proc:RATE           this machine's counters     cpu=proc:10hz\n"
        "  file:PATH[@RATE]    a recording, replayed       bench=file:motor.npy\n"
        "  mqtt:TOPIC          numbers that others publish hall=mqtt:hall/temp\n"
        "  iio:DEVICE[@RATE]   ADCs, IMUs, by the kernel   adc=iio:ads1015@100hz\n"
        "    ...,buffer        at the device's own rate    imu=iio:mpu6050@200hz,buffer\n"
        "  hwmon:CHIP[@RATE]   temperature, voltage, fans  board=hwmon:cpu_thermal\n"
        "  i2c:BUS-ADDRESS     a sensor on an I2C bus      air=i2c:1-0076@1hz\n"
        "  alsa:CARD[@RATE]    sound, by arecord           mic=alsa:plughw:1@16000hz\n"
        "  serial:PATH[@RATE]  lines of numbers            scale=serial:/dev/ttyACM0@50hz\n"
        "  gpio:LINE[@RATE]    pulses on a GPIO line       meter=gpio:17@1hz,bias=up\n"
        "  counter:N[@RATE]    the kernel's counters       wheel=counter:0@10hz"
    )


def run(options: Any) -> int:
    """Run the device until SIGTERM or Ctrl-C; both drain it."""
    from atoll.runtime.main import DeviceOptions, run_device

    asked = settled(options)
    return run_device(
        DeviceOptions(
            id=asked["id"],
            store=asked["store"] or default_store(asked["site"], asked["id"]),
            broker=asked["broker"],
            site=asked["site"],
            zone=asked["zone"],
            capacity=asked["capacity"],
            profile=asked["profile"],
            sources=tuple(asked["source"]),
            workers=asked["workers"],
            token=asked["token"],
            commit_ms=asked["max_wait"],
            wakes_in_s=options.wakes_in,
            shared_machine=asked["shared_machine"],
            low_write=asked["low_write"],
        )
    )


def settled(options: Any) -> dict[str, Any]:
    """What each option is: command line over file over environment over defaults. With a file the
    id may be left out, and is the machine's name. Raises `UsageError`.
    """
    from atoll.cli.options import UsageError

    found = dict(DEFAULTS)
    found |= {key: os.environ[name] for key, name in VARIABLES.items() if os.environ.get(name)}
    if options.config:
        found |= _file(options.config)
    given = {key: getattr(options, key) for key in KINDS}
    found |= {key: value for key, value in given.items() if value is not None}
    if not found.get("id"):
        raise UsageError("a device needs a name: --id, or --config FILE")
    return found


def _file(path: str) -> dict[str, Any]:
    # Not before there is a file: a device pays for its modules.
    from pathlib import Path

    from atoll.cli.options import UsageError
    from atoll.transport.errors import SettingsError
    from atoll.transport.settings import read_settings

    try:
        return {"id": machine_name()} | read_settings(Path(path), "device", KINDS)
    except SettingsError as error:
        raise UsageError(str(error)) from None


def machine_name() -> str:
    """The host name, as far as it is a device's name."""
    name = os.uname().nodename.partition(".")[0]
    return "".join(c for c in name if c.isascii() and (c.isalnum() or c in "_-"))[:64]


def default_store(site: str, device: str) -> str:
    """$XDG_STATE_HOME/atoll/SITE/ID."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(base, "atoll", site, device)
