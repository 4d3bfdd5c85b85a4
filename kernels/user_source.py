"""A user's kernel: its .pyx to portable C, for the Linux extension and for microcontrollers alike.

The file holds one function of the kernel's name,

    cdef float NAME(const float *x, size_t n, const float *numbers) noexcept nogil     # of a window
    cdef void NAME(float *x, size_t n, const float *numbers) noexcept nogil            # of samples

and what it calls. `NAME_kernel.py` beside it says the rest (users.py). Both sides compile the C
that comes of it by the flags of all kernels, so the bits are the same.
"""

import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import NamedTuple

from atoll.kernels.errors import KernelError
from atoll.kernels.user_check import Fault, faults

_KINDS = {
    "feature": (r"cdef float {name}\(const float \*x, size_t n, const float \*numbers\)", "window"),
    "sample": (r"cdef void {name}\(float \*x, size_t n, const float \*numbers\)", "samples"),
}
_DIRECTIVES: dict[str, object] = {
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "nonecheck": False,
    "infer_types": False,
}
_PYTHON = re.compile(r"\bPy\w+\(|__Pyx|__pyx|PyObject|\bdouble\b")


class Unportable(KernelError):
    """A source outside the subset: `faults` say where, `source` is its text."""

    def __init__(self, path: Path, source: str, found: list[Fault]) -> None:
        self.faults = found
        super().__init__("\n".join(fault.shown(str(path), source) for fault in found))


class UserSource(NamedTuple):
    """A kernel as C: its functions, of which `entry` is the one that is called."""

    name: str
    kind: str
    identity: int
    numbers: int
    code: str
    entry: str


def identity_of(source: str) -> int:
    """32 bits that tell one source from another; blanks at line ends do not count."""
    lines = [line.rstrip() for line in source.strip().split("\n")]
    return int.from_bytes(sha256("\n".join(lines).encode()).digest()[:4], "little")


def described(path: Path) -> ModuleType:
    """NAME_kernel.py beside the source, run."""
    beside = path.with_name(f"{path.stem}_kernel.py")
    spec = spec_from_file_location(beside.stem, beside)
    if spec is None or spec.loader is None or not beside.exists():
        raise KernelError(f"{beside}: no such file; `atoll kernel new {path.stem}` writes both")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path: Path) -> UserSource:
    """The kernel of a file. Unportable: where it is outside the subset."""
    if path.suffix != ".pyx" or not path.stem.isidentifier():
        raise KernelError(f"{path}: a kernel's source is called NAME.pyx, NAME as in plans")
    if not path.exists():
        raise KernelError(f"{path}: no such file")
    source, name = path.read_text(), path.stem
    if found := faults(source, name):
        raise Unportable(path, source, found)
    kind = _kind(path, source)
    numbers = len(getattr(described(path), "PARAMS", ()))
    functions = _functions(path, source)
    code = "\n".join([*(_prototype(each) for each in functions.values()), *functions.values()])
    entry = f"atoll_user_{name}_{name}"
    return UserSource(name, kind, identity_of(source), numbers, code, entry)


def _kind(path: Path, source: str) -> str:
    for kind, (pattern, _) in _KINDS.items():
        if re.search(rf"^{pattern.format(name=path.stem)} noexcept nogil:", source, re.MULTILINE):
            return kind
    wanted = [p.format(name=path.stem).replace("\\", "") for p, _ in _KINDS.values()]
    raise KernelError(
        f"{path}: no function {path.stem} as one of\n    "
        + "\n    ".join(f"{each} noexcept nogil" for each in wanted)
    )


def _functions(path: Path, source: str) -> dict[str, str]:
    """Name to C of the file's functions, in their order."""
    from atoll.kernels.portable import compiled_c, readable, silenced

    module = f"{len(path.stem)}{path.stem}_"
    said = StringIO()
    with TemporaryDirectory() as folder, redirect_stderr(said):
        generated = compiled_c(path, path.stem, Path(folder) / "kernel.c", _DIRECTIVES)
    if generated is None:
        raise Unportable(path, source, _cython_faults(said.getvalue()))
    definition = re.compile(
        rf"^static [^\n;]*__pyx_f_{module}(\w+)\([^;{{]*\) \{{\n.*?^\}}\n", re.MULTILINE | re.DOTALL
    )
    prefix = f"atoll_user_{path.stem}_"
    found = {}
    for m in definition.finditer(generated):
        text = silenced(readable(m[0], module, prefix))
        if _PYTHON.search(text):
            line = source[: source.find(f" {m[1]}(")].count("\n") + 1
            raise Unportable(path, source, [Fault(line, 0, f"{m[1]} needs Python objects")])
        found[m[1]] = text
    return found


def _cython_faults(said: str) -> list[Fault]:
    """Errors of Cython's as faults."""
    found = re.findall(r"^[^\n:]+\.pyx:(\d+):(\d+): (.+)$", said, re.MULTILINE)
    return [Fault(int(line), int(column), reason) for line, column, reason in found]


def _prototype(definition: str) -> str:
    return definition[: definition.index(" {\n")] + ";"


def entry_of(kernel: UserSource) -> str:
    """The kernel's entry of a table, as C."""
    both = {"samples": "NULL", "window": "NULL", _KINDS[kernel.kind][1]: kernel.entry}
    kind = f"ATOLL_USER_{_KINDS[kernel.kind][1].upper()}"
    words = f"{kernel.identity:#x}u, {kind}, {kernel.numbers}u"
    return f"{{{words}, {both['samples']}, {both['window']}}}"


def linked(kernels: Iterable[UserSource]) -> str:
    """The C of users' kernels for the amalgamation: functions, and the table that finds them."""
    given = list(kernels)
    if not given:
        return ""
    lines = ["/* Users' kernels. */", *(each.code for each in given)]
    entries = "".join(f"    {entry_of(each)},\n" for each in given)
    lines.append(f"static const atoll_user_kernel atoll_users[] = {{\n{entries}}};\n")
    lines.append(
        "static inline const atoll_user_kernel *atoll_user_find(uint32_t identity) {\n"
        "    size_t k;\n"
        "    for (k = 0; k < sizeof atoll_users / sizeof atoll_users[0]; k++) {\n"
        "        if (atoll_users[k].identity == identity) {\n"
        "            return &atoll_users[k];\n"
        "        }\n"
        "    }\n"
        "    return NULL;\n"
        "}\n"
    )
    return "\n".join(lines)


_MODULE = """\
/* {name}: a kernel of Atoll's, of {name}.pyx. Generated; do not edit. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "parts/platform.h"

{code}
static const atoll_user_kernel kernel = {entry};

static struct PyModuleDef definition = {{
    PyModuleDef_HEAD_INIT, "_{name}_kernel", NULL, -1, NULL, NULL, NULL, NULL, NULL,
}};

PyMODINIT_FUNC PyInit__{name}_kernel(void) {{
    PyObject *module = PyModule_Create(&definition);
    PyObject *capsule = PyCapsule_New((void *)&kernel, "atoll.kernel.1", NULL);
    if (module == NULL || capsule == NULL || PyModule_AddObject(module, "CAPSULE", capsule) < 0 ||
        PyModule_AddObject(module, "IDENTITY", PyLong_FromUnsignedLong(kernel.identity)) < 0 ||
        PyModule_AddIntConstant(module, "NUMBERS", {numbers}) < 0 ||
        PyModule_AddStringConstant(module, "KIND", "{kind}") < 0) {{
        return NULL;
    }}
    return module;
}}
"""


def module_c(kernel: UserSource) -> str:
    """The extension `_NAME_kernel` as C: the same functions, and a capsule that leads to them."""
    return _MODULE.format(
        name=kernel.name,
        code=kernel.code,
        entry=entry_of(kernel),
        numbers=kernel.numbers,
        kind=kernel.kind,
    )


def extension_arguments(path: Path, build: Path) -> dict[str, object]:
    """What setuptools' Extension takes for the kernel of a file; its C is written to `build`."""
    kernel = read(path)
    build.mkdir(parents=True, exist_ok=True)
    source = build / f"_{kernel.name}_kernel.c"
    source.write_text(module_c(kernel))
    return {
        "name": f"_{kernel.name}_kernel",
        "sources": [str(source)],
        "include_dirs": [str(Path(__file__).parent)],
        "extra_compile_args": ["-std=c99", "-O3", "-ffp-contract=off", "-g0"],
        "depends": [str(path)],
    }


if __name__ == "__main__":
    sys.exit("import it: docs/user-kernels.md shows a setup.py")
