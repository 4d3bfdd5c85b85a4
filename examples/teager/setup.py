"""Build the kernel: `pip install --no-build-isolation .` where atoll is installed."""

from pathlib import Path

from setuptools import Extension, setup

from atoll.kernels.user_source import extension_arguments

arguments = extension_arguments(Path("teager.pyx"), Path("build"))
setup(py_modules=["teager_kernel"], ext_modules=[Extension(**arguments)])
