"""`atoll device`: run a device. Imports the runtime and nothing else: boards lack memory."""

import argparse
import os
from typing import Any

BROKER_DEFAULT = "mqtt://127.0.0.1:1883"
SITE_DEFAULT = "home"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "--id", required=True, help="name of the device; it stays the same for ever"
    )
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("ATOLL_BROKER", BROKER_DEFAULT),
        help=f"mqtt://host[:port], several separated by commas (ATOLL_BROKER; {BROKER_DEFAULT})",
    )
    parser.add_argument(
        "--site",
        default=os.environ.get("ATOLL_SITE", SITE_DEFAULT),
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )
    parser.add_argument(
        "--store", metavar="DIR", help="where shards are kept (~/.local/state/atoll/SITE/ID)"
    )
    parser.add_argument(
        "--zone", default="", help="what fails together: a rack, a power feed (default: the id)"
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
        default=[],
        metavar="NAME=KIND:WHAT",
        help="sample into dataset NAME; may be repeated. KIND:WHAT is one of the kinds below",
    )
    parser.add_argument(
        "--profile",
        choices=("fast", "normal", "battery", "metered", "demo"),
        default="normal",
        help="how often it reports (normal)",
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="compute threads (one a core)"
    )
    parser.add_argument(
        "--shared-machine",
        action="store_true",
        help="other devices run on this machine, too: its load does not make this one weigh less",
    )
    parser.add_argument(
        "--max-wait",
        type=int,
        default=200,
        metavar="MS",
        help="longest wait of an acknowledgement for its sync (200; 30000 spares a card)",
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
        default=os.environ.get("ATOLL_TOKEN", ""),
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

    return run_device(
        DeviceOptions(
            id=options.id,
            store=options.store or default_store(options.site, options.id),
            broker=options.broker,
            site=options.site,
            zone=options.zone,
            capacity=options.capacity,
            profile=options.profile,
            sources=tuple(options.source),
            workers=options.workers,
            token=options.token,
            commit_ms=options.max_wait,
            wakes_in_s=options.wakes_in,
            shared_machine=options.shared_machine,
        )
    )


def default_store(site: str, device: str) -> str:
    """$XDG_STATE_HOME/atoll/SITE/ID."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(base, "atoll", site, device)
