"""Compute kernels, the plan language and exact merges. `Plan` is the door.

The public names load on first use: importing a submodule must not pull in the whole.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalogue import catalogue as catalogue
    from .errors import KernelError as KernelError
    from .errors import PlanError as PlanError
    from .plan import Plan as Plan
    from .receipts import receipts as receipts

_HOME = {
    "Plan": "plan",
    "PlanError": "errors",
    "KernelError": "errors",
    "receipts": "receipts",
    "catalogue": "catalogue",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
