"""Why a shard is where it is: its walk over the slot table, device by device."""

from typing import Any

from atoll.gateway.catalog import Catalog, Shard
from atoll.gateway.member import KEPT, Member
from atoll.gateway.membership import Membership
from atoll.gateway.owners import Owners
from atoll.gateway.placement import probes, shard_point

PROBES_SHOWN_MAX = 64


def why_shard(
    shard: Shard, owners: Owners, members: Membership, catalog: Catalog
) -> dict[str, Any]:
    """The shard, who holds it, and what the walk says of each device that it meets."""
    wanted = owners.wanted(shard)
    steps, ideal = _walk(shard, owners, members, wanted)
    named = {step["device"] for step in steps if step["ideal"]}
    return {
        "what": f"{shard.id.dataset}/{shard.id.number}",
        "owners": list(shard.owners),
        "goal": list(shard.goal),
        "ideal": ideal,
        "wanted": wanted,
        "epoch": shard.epoch,
        "streams": len(shard.streams),
        "bytes": shard.byte_count,
        "point": f"{shard_point(*shard.id):08x}",
        "seed": f"{owners.seed:08x}",
        "walk": steps,
        "why": [_why(shard, device, named, members) for device in shard.owners],
        "copies": {
            device: catalog.by_device.get(device, {}).get(shard.id, 0) for device in shard.owners
        },
    }


def _walk(
    shard: Shard, owners: Owners, members: Membership, wanted: int
) -> tuple[list[dict[str, Any]], list[str]]:
    by_number = {m.row.number: m for m in members.members.values()}
    steps: list[dict[str, Any]] = []
    ideal: list[str] = []
    zones: set[str] = set()
    for number in probes(owners.seed, shard_point(*shard.id), owners.table):
        member = by_number.get(number)
        if member is None:
            continue
        said = _verdict(member, zones)
        if not said:
            ideal.append(member.id)
            zones.add(member.row.zone)
        steps.append(
            {
                "device": member.id,
                "zone": member.row.zone,
                "ideal": not said,
                "said": said or f"replica {len(ideal)} of {wanted}",
            }
        )
        if len(ideal) == wanted or len(steps) == PROBES_SHOWN_MAX:
            break
    return steps, ideal


def _verdict(member: Member, zones: set[str]) -> str:
    """Why the walk goes on past a device; empty: it is taken."""
    if member.state not in KEPT:
        return f"it is {member.state.value}"
    if member.row.zone in zones:
        return f"zone {member.row.zone} has a replica"
    return ""


def _why(shard: Shard, device: str, named: set[str], members: Membership) -> str:
    member = members.members.get(device)
    if device not in shard.goal:
        return f"{device}: it is to leave"
    if device == shard.sampler:
        return f"{device}: it samples the stream"
    if device in named:
        return f"{device}: the walk names it"
    if member is None:
        return f"{device}: it is forgotten"
    return f"{device}: an override, it was there when the walk's own was full, away or not here yet"
