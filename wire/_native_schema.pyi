from typing import Any

class Shape:
    def __init__(
        self,
        kind: int,
        least: int = 0,
        most: int = 0,
        cls: Any = None,
        fields: Any = (),
        item: Shape | None = None,
    ) -> None: ...

class Form:
    def __init__(self, number: int, cls: Any, shapes: Any) -> None: ...
    def encode(self, message: Any) -> bytes | None: ...
    def decode(self, data: bytes) -> Any: ...
