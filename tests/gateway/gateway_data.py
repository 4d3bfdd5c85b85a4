"""Streams, a fleet that holds them, and what one machine computes of them."""

from array import array
from random import Random

from gateway_fleet import Fleet

from atoll.gateway.records import DeviceSet
from atoll.kernels import Plan
from atoll.wire import messages as wire


def data_of(streams=12, most=4_000, seed=1):
    random = Random(seed)
    return {
        f"k{n}": array("h", (random.randint(-3000, 3000) for _ in range(random.randint(64, most))))
        for n in range(streams)
    }


def filled(*names, data, **options):
    fleet = Fleet(*(names or "abcd"), **options)
    for number, (key, values) in enumerate(data.items()):
        reply = fleet.put("v", {key: values.tobytes()}, put_id=number.to_bytes(16, "big"))
        assert reply.status == wire.DONE, reply.body
    return fleet


def wanted(text, data):
    plan = Plan(text)
    return plan.merge([plan.partial(data[key], rate=1000.0, key=key) for key in sorted(data)])


def device_row(name, **fields):
    """A device's row as a first birth makes it, with these fields changed."""
    row = DeviceSet(
        name, 0, 0, "new", 0, name, "normal", 1.0, 8, 1, 0, "test", 4, 1 << 30, 1 << 34, 65_536,
        "{}",
    )  # fmt: skip
    return row._replace(**fields)
