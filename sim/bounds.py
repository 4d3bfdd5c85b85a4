"""I11: queues are bounded while it runs, and empty in the end."""

from typing import TYPE_CHECKING

from atoll.gateway import dispatch, moves, puts
from atoll.gateway.core import GatewayCore
from atoll.runtime import results, standing, tasks, transfers
from atoll.sim.world import Violation

if TYPE_CHECKING:
    from atoll.sim.device import Device


def look_at_device(device: "Device") -> None:
    """The queues of a device that runs."""
    core = device.core
    if core is None:
        return
    labour = core._labour
    sizes = (
        ("tasks", labour._tasks.count, tasks.TASKS_QUEUED_MAX),
        # Work that was begun below the bound may still give its results.
        ("messages in the outbox", len(device.disk.outbox), results.UNACKED_MAX + 512),
        ("batches", labour.standing._batches, standing.BATCHES_MAX),
        ("transfers", len(core._custody._transfers._waiting), transfers.TRANSFERS_MAX),
        ("jobs", len(labour.standing.jobs()), standing.ORDERS_MAX),
    )
    _within(device.name, sizes)


def look_at_gateway(core: GatewayCore) -> None:
    """The queues of the gateway."""
    flights = core.jobs._dispatcher._in_flight
    steps, busy = core.moves._steps, core.moves._busy
    sizes = (
        ("requests of puts", core.puts.under_way, puts.FLIGHTS_MAX),
        ("tasks with one device", max(flights.values(), default=0), dispatch.IN_FLIGHT_MAX),
        ("steps", len(steps), moves.STEPS_MAX),
        ("steps of one device", max(busy.values(), default=0), moves.STEPS_PER_DEVICE_MAX),
        ("finished queries", len(core.jobs.finished), _queries_kept()),
    )
    _within("gateway", sizes)


def _queries_kept() -> int:
    from atoll.gateway import jobs

    return jobs.QUERIES_KEPT_MAX


def _within(about: str, sizes: tuple[tuple[str, int, int], ...]) -> None:
    for what, size, most in sizes:
        if not 0 <= size <= most:
            text = f"{about} has {size} {what}, at most {most} are allowed (I11)"
            raise Violation("wrong", about, text)


def busy(device: "Device") -> str:
    """What a device that has nothing more to do has not got rid of; empty if there is nothing."""
    core = device.core
    if core is None:
        return "it is off"
    left = {
        "messages in its outbox": len(device.disk.outbox),
        "unacknowledged results": core._labour._results.backlog,
        "tasks": core._labour.tasks_left,
        "batches": core._labour.standing._batches,
    }
    return ", ".join(f"{count} {what}" for what, count in left.items() if count)
