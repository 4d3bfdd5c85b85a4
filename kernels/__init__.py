"""Compute kernels, the plan language and exact merges. `Plan` is the door.

The public names load on first use: importing a submodule must not pull in the whole.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atoll.kernels.errors import KernelError as KernelError
    from atoll.kernels.errors import PlanError as PlanError
    from atoll.kernels.plan import Plan as Plan
    from atoll.kernels.receipt import receipts as receipts
    from atoll.kernels.registry import catalogue as catalogue

_HOME = {
    "Plan": "plan",
    "PlanError": "errors",
    "KernelError": "errors",
    "receipts": "receipt",
    "catalogue": "registry",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
