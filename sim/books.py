"""The books and the disks: what the gateway commits that a device has, the device has synced (I5).

A device confirms what is on its disk, so a block is there before it is in the ledger, from the boot
on that the ledger knows. It may be gone again when the ledger comes to it, of what the gateway
cannot have heard: the device was told to delete the shard, or its disk was replaced.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from atoll.gateway import records as r

if TYPE_CHECKING:
    from atoll.sim.device import Device
    from atoll.sim.ledger import MemoryLedger

Name = tuple[str, str]  # dataset and key


class Books:
    """What was committed so far, by device and stream: the runs' first and last blocks."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str, str], dict[int, int]] = {}
        self._boots: dict[str, int] = {}  # as the ledger has them
        self._wiped: dict[str, int] = {}  # in which boot a device lost its disk
        self._shards: dict[Name, int] = {}

    def wiped(self, device: "Device") -> None:
        """Its disk is a new one."""
        self._wiped[device.name] = device.disk.state.boot

    def follow(self, ledger: "MemoryLedger") -> None:
        """Another ledger counts, which may be behind."""
        self._runs.clear()
        for row in ledger.tables[r.HoldingSet].values():
            self._runs.setdefault(row[:3], {})[row.first_seq] = row.last_seq
        self._boots = {row.id: row.boot for row in ledger.tables[r.DeviceSet].values()}

    def committing(
        self,
        records: Iterable[Any],
        devices: "dict[str, Device]",
        deleted: set[tuple[str, str, int]],
    ) -> tuple[str, str, int] | None:
        """The first block of these records that its device never had: (device, key, number).

        `deleted`: devices and shards (dataset, number) that they were told to delete.
        """
        for record in records:
            kind = type(record)
            if kind is r.HoldingSet:
                lacking = self._set(record, devices, deleted)
                if lacking is not None:
                    return record.device, record.key, lacking
            elif kind is r.HoldingGone:
                self._runs.get(record[:3], {}).pop(record.first_seq, None)
            elif kind is r.StreamSet:
                self._shards[record[:2]] = record.shard
            elif kind is r.DeviceSet:
                self._boots[record.id] = record.boot
            elif kind is r.DeviceGone:
                for name in [n for n in self._runs if n[0] == record.id]:
                    del self._runs[name]
        return None

    def _set(
        self,
        record: r.HoldingSet,
        devices: "dict[str, Device]",
        deleted: set[tuple[str, str, int]],
    ) -> int | None:
        name = record[:3]
        runs = self._runs.setdefault(name, {})
        device = devices.get(record.device)
        disk = {} if device is None else device.disk.blocks.get(name[1:], {})
        lacking = None
        for seq in _fresh(runs, record.first_seq, record.last_seq):
            if seq not in disk and not self._excused(name, deleted):
                lacking = seq
                break
        runs[record.first_seq] = record.last_seq
        return lacking

    def _excused(self, name: tuple[str, str, str], deleted: set[tuple[str, str, int]]) -> bool:
        device, dataset, key = name
        if (device, dataset, self._shards.get((dataset, key), -1)) in deleted:
            return True
        return self._boots.get(device, 0) <= self._wiped.get(device, -1)


def _fresh(runs: dict[int, int], first: int, last: int) -> list[int]:
    """The blocks of [first, last] that are in none of the runs."""
    known = runs.get(first)
    if known is not None and known <= last:  # the usual case: a run grows
        first = known + 1
    fresh = range(first, last + 1)
    return [seq for seq in fresh if not any(a <= seq <= b for a, b in runs.items())]
