"""What the loss of a device cost, in seconds: for people and for the demonstration.

`takeover_s`: from the moment the device was found silent until the last of the tasks it had was
answered by another (or, if it had none, until another device acts for its shards). `restored_s`:
until every shard that it held has its replicas again.
"""

from collections import deque
from typing import Any

from atoll.gateway.catalog import ShardId
from atoll.gateway.desk import Desk

KEPT_MAX = 16


class _Loss:
    __slots__ = (
        "at",
        "byte_count",
        "device",
        "restored_s",
        "shards",
        "takeover_s",
        "tasks",
        "todo",
    )

    def __init__(self, device: str, at: float, tasks: int) -> None:
        self.device = device
        self.at = at
        self.tasks = tasks
        self.takeover_s: float | None = None
        self.restored_s: float | None = None
        self.shards = 0
        self.byte_count = 0
        self.todo: set[ShardId] = set()


class Takeovers:
    """The last losses, the newest last."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._losses: deque[_Loss] = deque(maxlen=KEPT_MAX)
        self._open: dict[str, _Loss] = {}

    def lost(self, device: str, tasks: int) -> None:
        """A device is silent; `tasks` of its tasks went to others."""
        loss = self._open.get(device)
        if loss is None:
            loss = self._open[device] = _Loss(device, self._desk.now, 0)
        loss.tasks += tasks

    def task_done(self, device: str) -> None:
        """One of those tasks has been answered."""
        loss = self._open.get(device)
        if loss is not None:
            loss.tasks -= 1
            if loss.tasks == 0:
                self._taken_over(loss)

    def _taken_over(self, loss: _Loss) -> None:
        if loss.takeover_s is None:
            loss.takeover_s = round(self._desk.now - loss.at, 3)
            self._keep(loss)

    def yielded(self, device: str) -> None:
        """Others act for the device's shards now."""
        loss = self._open.get(device)
        if loss is not None and loss.tasks <= 0:
            self._taken_over(loss)

    def left(self, device: str, shards: set[ShardId], byte_count: int) -> None:
        """The device is out: these shards are short of a replica."""
        loss = self._open.get(device)
        if loss is None:
            return
        loss.shards, loss.byte_count, loss.todo = len(shards), byte_count, set(shards)
        self._keep(loss)
        if not shards:
            loss.restored_s = round(self._desk.now - loss.at, 3)

    def shard_done(self, shard: ShardId) -> None:
        """A shard is where it shall be."""
        for loss in self._open.values():
            if shard in loss.todo:
                loss.todo.discard(shard)
                if not loss.todo:
                    loss.restored_s = round(self._desk.now - loss.at, 3)
                    self._desk.say(
                        "restored",
                        f"all {loss.shards} shards of {loss.device} have their replicas again"
                        f" after {loss.restored_s:.1f} s",
                        device=loss.device,
                    )

    def returned(self, device: str) -> None:
        """The device is back."""
        self._open.pop(device, None)

    def _keep(self, loss: _Loss) -> None:
        if loss not in self._losses:
            self._losses.append(loss)

    def listing(self) -> list[dict[str, Any]]:
        """For the status."""
        return [
            {
                "device": loss.device,
                "takeover_s": loss.takeover_s,
                "restored_s": loss.restored_s,
                "shards": loss.shards,
                "bytes": loss.byte_count,
            }
            for loss in self._losses
        ]
