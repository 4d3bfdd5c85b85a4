"""`atoll gateway`: the options and the process are the gateway's own."""

from atoll.gateway.main import add_arguments, run

__all__ = ["add_arguments", "run"]
