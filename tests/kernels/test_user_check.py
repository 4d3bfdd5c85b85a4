"""What is outside the portable subset is said, with the place; what is inside is not."""

import pytest

from atoll.kernels.user_check import faults
from atoll.kernels.user_source import Unportable, identity_of, read

HEAD = "cdef float f(const float *x, size_t n, const float *numbers) noexcept nogil:\n"
BODY = "    cdef size_t i\n    cdef float y = <float>0.0\n"
GOOD = (
    f'"""A docstring."""\n\nfrom libc.stdint cimport int32_t, uint32_t\n\n\n{HEAD}    """Doc."""\n'
)


def first(source):
    found = faults(source, "f")
    assert found, "nothing was found"
    return found[0]


@pytest.mark.parametrize(
    "source",
    [
        f"{GOOD}{BODY}    for i in range(n):\n        y = y + x[i]\n    return y\n",
        f"from libc.math cimport sqrtf\n{HEAD}    return sqrtf(x[0])\n",
        "cdef struct pair:\n    float a\n    float b\n\n\n"
        f"{HEAD}    cdef pair p\n    p.a = x[0]\n    p.b = <float>2.0\n    return p.a * p.b\n",
        f"cdef enum:\n    MOST = 16\n\n\n{HEAD}    cdef float kept[MOST]\n"
        "    kept[0] = x[0]\n    return kept[0] if n > MOST else -kept[0]\n",
        "cdef inline float g(float v) noexcept nogil:\n    return v * v\n\n\n"
        f"{HEAD}    return g(x[0])\n",
    ],
)
def test_inside(source):
    assert faults(source, "f") == []


@pytest.mark.parametrize(
    ("line", "column", "words"),
    [
        ("    y = 0.5\n", 8, "write <float>0.5"),
        ("    cdef double z = y\n", 9, "double is not portable"),
        ("    cdef int k = 0\n", 9, "int32_t"),
        ("    y = x[0] ** 2\n", 13, "multiply"),
        ("    print(y)\n", 9, "print is no function of this file"),
        ("    z = [1, 2]\n", 8, "a list"),
        ("    z = {1: 2}\n", 8, "a dict"),
        ("    raise ValueError\n", 4, "an exception"),
        ("    assert y\n", 4, "an exception"),
        ("    z = x[0:2]\n", 9, "a slice"),
        ("    with gil:\n        pass\n", 9, "GIL"),
        ("    y = sinf(y)\n", 12, "sinf is no function"),
        ("    z = 'text'\n", 8, "a string"),
        ("    z = lambda: 1\n", 8, "a lambda"),
    ],
)
def test_outside_inside_a_function(line, column, words):
    found = first(f"{HEAD}{BODY}{line}    return y\n")
    assert found.line == 4
    assert words in found.reason
    assert abs(found.column - column) <= 1


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("import numpy\n", 1, "cimport"),
        ("from libc.math cimport sinf\n", 1, "libm"),
        ("from libc.stdlib cimport malloc\n", 1, "libc.stdlib is not portable"),
        ("cdef float kept = <float>1.0\n", 1, "a global"),
        ("\n\ndef g(x):\n    return x\n", 3, "a Python function"),
        ("class A:\n    pass\n", 1, "a class"),
        ("cdef float g(float x):\n    return x\n", 1, "noexcept nogil"),
        ("cdef float g(float[:] x) noexcept nogil:\n    return x[0]\n", 1, "a memoryview"),
    ],
)
def test_outside_of_functions(source, line, words):
    found = first(source)
    assert found.line == line
    assert words in found.reason


def test_what_is_no_cython_at_all():
    found = first("cdef float f(:\n")
    assert found.line == 1
    assert "Expected" in found.reason


def test_a_fault_is_shown_with_a_caret():
    source = f"{HEAD}    return 0.5\n"
    shown = first(source).shown("f.pyx", source).split("\n")
    assert shown[0].startswith("f.pyx:2: 0.5 is a double")
    assert shown[1].index("0.5") == shown[2].index("^")


def written(folder, body):
    (folder / "f_kernel.py").write_text("DOC = UNITS = ''\nERROR = OPS = 1\n")
    (folder / "f.pyx").write_text(body)
    return folder / "f.pyx"


def test_what_only_the_types_show_is_said_by_cython(tmp_path):
    path = written(tmp_path, f"{HEAD}    return nobody_knows + x[0]\n")
    with pytest.raises(Unportable, match=r"f\.pyx:2: undeclared name") as error:
        read(path)
    assert "^" in str(error.value)


def test_the_function_itself_is_looked_for(tmp_path):
    path = written(tmp_path, "cdef float g(float x) noexcept nogil:\n    return x\n")
    with pytest.raises(Exception, match="no function f as one of"):
        read(path)


def test_the_identity_is_of_the_source():
    assert identity_of("a\nb\n") == identity_of("a  \nb\n\n")
    assert identity_of("a\nb\n") != identity_of("a\nc\n")
