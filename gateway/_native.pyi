from collections.abc import Iterable
from typing import Any

def mix(value: int) -> int: ...
def ideal(
    seed: int, point: int, owner: Any, threshold: Any, zones: Any, wanted: int
) -> tuple[int, ...]: ...

class Planning:
    total: int
    once: int
    largest: int
    placements: int

    def __init__(self, loads: list[Any], alive: Any) -> None: ...
    def place(
        self,
        seed: int,
        owner: Any,
        threshold: Any,
        devices: Iterable[tuple[int, int, bool, bool, float, int, int, int]],
        settle: int = 0,
    ) -> list[tuple[int, ...]]: ...
    def overrides(self) -> int: ...
