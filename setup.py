"""Build atoll: the top-level folders become atoll.* packages, the kernels are compiled.

`build/ns/atoll/*` mirrors the import tree with links, for tools (mypy, Cython's cimport) that
follow paths and not the import hook of an editable install; docs/layout.md says which.
"""

import os
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
PACKAGES = {
    f"atoll.{name}": name
    for name in ("kernels", "wire", "transport", "runtime", "gateway", "sim", "cli")
}

# The numeric contract (docs/numerics.md): ISO C, no contraction, never fast-math. Without -g0 most
# of the wheel would be debug information, which Python's own flags ask for.
C99 = ["-std=c99", "-O3", "-ffp-contract=off", "-g0", "-Wall", "-Wextra", "-Wno-unused-function"]
C99 += ["-Werror=implicit-function-declaration"]

# Builds of a source beside its base: for these machines, with these flags (no FMA: other bits).
# They are optional: where the compiler refuses, setuptools says so and the base does all the work.
BUILDS = {"_native_avx2": ("x86_64", ["-mavx2", "-mno-fma"])}

# One wheel for Python 3.11 and every later one (scripts/wheels.py); a build in place is for the
# Python that makes it, and a little faster to call. The stable ABI has functions for these macros.
ABI3 = os.environ.get("ATOLL_ABI3") == "1"
MACROS = {
    "Py_LIMITED_API": "0x030B0000",
    "CYTHON_LIMITED_API": "1",
    "PyBytes_AS_STRING": "PyBytes_AsString",
    "PyBytes_GET_SIZE": "PyBytes_Size",
    "PyTuple_GET_ITEM": "PyTuple_GetItem",
    "PyTuple_GET_SIZE": "PyTuple_Size",
}


def link_namespace() -> str:
    """Mirror the import tree in build/ns and return its path."""
    tree = ROOT / "build" / "ns" / "atoll"
    tree.mkdir(parents=True, exist_ok=True)
    for folder in PACKAGES.values():
        link = tree / folder
        target = ROOT / folder
        if not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
    return "build/ns"


def extensions() -> list[Extension]:
    """One extension per `_native*.pyx`; every portable part and header is a dependency."""
    found = []
    for folder in ("kernels", "wire", "gateway"):
        parts = sorted(
            str(path) for suffix in ("*.pxi", "*.pxd", "*.h") for path in Path(folder).rglob(suffix)
        )
        for source in sorted(Path(folder).glob("_native*.pyx")):
            machine, flags = BUILDS.get(source.stem, ("", []))
            if not sysconfig.get_platform().endswith(machine):
                continue
            found.append(
                Extension(
                    f"atoll.{folder}.{source.stem}",
                    [str(source)],
                    depends=[*parts, str(source.with_name("_native.pyx"))],
                    include_dirs=[folder],
                    extra_compile_args=C99 + flags,
                    define_macros=list(MACROS.items()) if ABI3 else [],
                    py_limited_api=ABI3,
                )
            )
    return found


def compiled() -> list[Extension]:
    """The extensions as C."""
    made = cythonize(
        extensions(), language_level=3, build_dir="build/cython", include_path=[link_namespace()]
    )
    for extension in made:
        # Said only now: cythonize hands on what it knows of an extension, and no more.
        extension.optional = extension.name.rpartition(".")[2] in BUILDS
    return made


setup(
    packages=list(PACKAGES),
    package_dir=PACKAGES,
    package_data={
        name: ["*.pyi", "*.pxd", "*.h", "parts/*", "*.cddl", "py.typed"] for name in PACKAGES
    },
    include_package_data=False,
    ext_modules=compiled(),
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
)
