# cython: boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, nonecheck=False, infer_types=False
"""The same source once more, for x86-64 with AVX2 (setup.py names the flags): the same bits, in
vectors twice as wide. builds.py loads this module or `_native`, never both."""

include "_native.pyx"
