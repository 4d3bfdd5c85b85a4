"""Kernels of users: found by entry point, named in plans like those of the catalogue.

A package that has the entry point `NAME = "NAME_kernel"` in the group `atoll.kernels` adds one
kernel: `NAME_kernel` says what the catalogue would (DOC, UNITS, PARAMS, ...), `_NAME_kernel` is
the portable source, compiled (user_source.py). Packages are looked through when a plan names what
nobody else knows, so that a process without users' kernels pays nothing.

In the canonical form of a plan stands the kernel's identity, 32 bits of its source's SHA-256, as
its first argument `version`: two boards with different sources of one name do not share a plan.
"""

from importlib import import_module
from types import ModuleType
from typing import Any

from atoll.kernels.errors import KernelError
from atoll.kernels.kernel import Kernel, Param

GROUP = "atoll.kernels"
# Codes of the operations (parts/operations.pxi); which kernel it is, `version` says.
CODES = {"sample": 30, "feature": 62}
NUMBERS_MAX = 8

_BY_NAME: dict[str, Kernel] = {}


def find(name: str) -> Kernel | None:
    """The user's kernel of this name, loaded where it is not yet; None where there is none."""
    if name not in _BY_NAME and name.isidentifier():
        _load({name})
    return _BY_NAME.get(name)


def of_operation(code: int, words: list[Any]) -> Kernel | None:
    """The user's kernel that an operation of a canonical form means."""
    if code not in CODES.values() or not words:
        return None
    if (kernel := _identified(code, words[0])) is None:
        _load(None)
        kernel = _identified(code, words[0])
    return kernel


def installed() -> tuple[Kernel, ...]:
    """All users' kernels of this environment."""
    _load(None)
    return tuple(_BY_NAME[name] for name in sorted(_BY_NAME))


def _identified(code: int, identity: object) -> Kernel | None:
    for kernel in _BY_NAME.values():
        if kernel.code == code and kernel.params[0].default == identity:
            return kernel
    return None


def _load(names: set[str] | None) -> None:
    """Take in the entry points of these names, or all, that are not known yet."""
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP):
        if point.name in _BY_NAME or (names is not None and point.name not in names):
            continue
        try:
            described = import_module(point.value)
            add(point.name, described, import_module(f"_{point.value}"))
        except ImportError as error:
            raise KernelError(f"the kernel {point.name!r} cannot be loaded: {error}") from None


def add(name: str, described: ModuleType, compiled: ModuleType) -> Kernel:
    """Let plans name a kernel: what describes it, and its compiled source."""
    from atoll.kernels.builds import add_user

    kernel = described_kernel(name, described, compiled.IDENTITY, compiled.KIND)
    if len(kernel.params) - 1 != compiled.NUMBERS:
        raise KernelError(
            f"{name}: it was compiled for {compiled.NUMBERS} arguments; build it anew"
        )
    add_user(compiled.CAPSULE)
    _BY_NAME[name] = kernel
    return kernel


def example(kernel: Kernel) -> str:
    """A plan that shows what a user's kernel gives."""
    numbers = [param.default for param in kernel.params[1:]]
    words = [kernel.name, *(f"{n:.9g}" if isinstance(n, float) else "1" for n in numbers)]
    call = " ".join(words)
    return f"window 64 | {call}" if kernel.group == "feature" else f"{call} | sum"


def described_kernel(name: str, described: ModuleType, identity: int, kind: str) -> Kernel:
    """What NAME_kernel says, as an entry of the catalogue."""
    params = tuple(getattr(described, "PARAMS", ()))
    if any(param.kind != "number" or param.many for param in params) or len(params) > NUMBERS_MAX:
        raise KernelError(f"{name}: PARAMS are at most {NUMBERS_MAX} single numbers")
    version = Param("version", "count", identity, identity, identity, keyword=True)
    return Kernel(
        name,
        CODES[kind],
        kind,
        (version, *params),
        str(described.DOC),
        str(described.UNITS),
        f"relative {described.ERROR:g}",
        str(getattr(described, "SPECIAL", "as IEEE 754 has it")),
        float(described.OPS),
    )
