"""The site's side of Atoll: the gateway, and the client library that talks to it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atoll.gateway.client import Fleet, connect
    from atoll.gateway.client_errors import FleetError

__all__ = ["Fleet", "FleetError", "connect"]


def __getattr__(name: str) -> Any:
    """Import the client only where it is used: the gateway itself never does."""
    if name in ("Fleet", "connect"):
        from atoll.gateway import client

        return getattr(client, name)
    if name == "FleetError":
        from atoll.gateway.client_errors import FleetError

        return FleetError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
