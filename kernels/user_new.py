"""The files of a new kernel: a source in the subset, its twin with vectors, its packing."""

from pathlib import Path
from string import Template

from atoll.kernels.errors import KernelError
from atoll.kernels.registry import BY_NAME

_FEATURE = '''\
"""What $name computes of a window: here the mean of the squares. Name the source of an algorithm.

The portable subset (docs/user-kernels.md): functions `cdef ... noexcept nogil` over pointers and
structs, size_t indices, float numbers under <float>, nothing of Python.
"""


cdef float $name(const float *x, size_t n, const float *numbers) noexcept nogil:
    """The window's n samples to one number; numbers[0] is the plan's first argument."""
    cdef size_t i
    cdef float total = <float>0.0
    for i in range(n):
        total = total + x[i] * x[i]
    return total / <float>n * numbers[0]
'''
_SAMPLE = '''\
"""What $name makes of each sample: here a soft threshold. Name the source of an algorithm.

The portable subset (docs/user-kernels.md): functions `cdef ... noexcept nogil` over pointers and
structs, size_t indices, float numbers under <float>, nothing of Python.
"""


cdef void $name(float *x, size_t n, const float *numbers) noexcept nogil:
    """Some samples of a stream, in place: each for itself, for a stream is cut anywhere."""
    cdef size_t i
    for i in range(n):
        if x[i] > numbers[0]:
            x[i] = x[i] - numbers[0]
        elif x[i] < -numbers[0]:
            x[i] = x[i] + numbers[0]
        else:
            x[i] = <float>0.0
'''
_FEATURE_TWIN = '''\
def reference(x: Sequence[float], numbers: Sequence[float]) -> float:
    """The same in float64, as readable as can be."""
    return sum(each * each for each in x) / len(x) * numbers[0]
'''
_SAMPLE_TWIN = '''\
def reference(x: Sequence[float], numbers: Sequence[float]) -> list[float]:
    """The same in float64, as readable as can be."""
    far = numbers[0]
    return [v - far if v > far else v + far if v < -far else 0.0 for v in x]
'''
_DESCRIBED = '''\
"""What the catalogue says of `$name`, its twin in plain Python, and vectors for both."""

from collections.abc import Sequence

from atoll.kernels.kernel import Param

DOC = "What $name computes, in a sentence."
UNITS = "as the samples"
SPECIAL = "NaN gives NaN; infinities follow IEEE 754"
ERROR = 1e-5  # the largest error, relative to the twin
OPS = 2  # operations a sample
PARAMS = (Param("$param", "number", 1.0),)


$twin

# Beside these the golden vectors of the catalogue are tried.
VECTORS = (
    (0.0, 1.0, -2.0, 3.5),
    (1e6, -1e6, 0.5, 0.25, 0.125),
)
'''
_SETUP = '''\
"""Build the kernel: `pip install --no-build-isolation .` where atoll is installed."""

from pathlib import Path

from setuptools import Extension, setup

from atoll.kernels.user_source import extension_arguments

arguments = extension_arguments(Path("$name.pyx"), Path("build"))
setup(py_modules=["${name}_kernel"], ext_modules=[Extension(**arguments)])
'''
_PROJECT = """\
[build-system]
requires = ["setuptools>=77.0.3", "Cython>=3.1,<4", "atoll"]
build-backend = "setuptools.build_meta"

[project]
name = "atoll-$dashed"
version = "0.1.0"
description = "A kernel for Atoll."
requires-python = ">=3.11"
dependencies = ["atoll"]

# What the runtime looks for when a plan names `$name`.
[project.entry-points."atoll.kernels"]
$name = "${name}_kernel"
"""


def write(name: str, kind: str, folder: Path) -> list[Path]:
    """Write a new kernel's files into `folder`; KernelError where one of them is there already."""
    if not name.isidentifier() or not name.islower() or not name.isascii():
        raise KernelError(f"{name!r} is no name for a kernel: small letters, digits, underscores")
    if name in BY_NAME:
        raise KernelError(f"the catalogue has a kernel {name!r} already")
    feature = kind == "feature"
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "param": "factor" if feature else "threshold",
        "twin": _FEATURE_TWIN if feature else _SAMPLE_TWIN,
    }
    texts = {
        f"{name}.pyx": _FEATURE if feature else _SAMPLE,
        f"{name}_kernel.py": _DESCRIBED,
        "setup.py": _SETUP,
        "pyproject.toml": _PROJECT,
    }
    for file in texts:
        if (folder / file).exists():
            raise KernelError(f"{folder / file}: there is such a file already")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        (folder / file).write_text(Template(text).substitute(words))
    return [folder / file for file in texts]
