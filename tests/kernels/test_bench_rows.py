"""The rows of `make bench-kernels`: each kernel has one, and each peer gives what ours gives."""

import importlib.util
import sys
from pathlib import Path

import pytest

from atoll.kernels import catalogue

pytest.importorskip("scipy.signal")
pytest.importorskip("sklearn")

SAMPLES = 16_384


@pytest.fixture(scope="module")
def bench():
    """benchmarks/kernels.py, whose rows are modules beside it."""
    folder = Path(__file__).parents[2] / "benchmarks"
    spec = importlib.util.spec_from_file_location("bench_kernels", folder / "kernels.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def rows(bench, dtype):
    data = bench.data(dtype, SAMPLES)
    return data, [row for module in bench.MODULES for row in module.rows(data)]


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_peers_give_the_same_result(bench, dtype):
    data, found = rows(bench, dtype)
    for row in found:
        ours = row.made().run(data.x, row.rate)
        assert row.peers, row.kernel
        for name, work in {**row.peers, **row.loose}.items():
            assert row.same(ours, work()), (row.kernel, name)


def test_a_wrong_result_is_seen(bench):
    data, found = rows(bench, "float32")
    for row in found:
        other = row.made().run(data.x[::-1] * 1.5 + 1, row.rate)
        work = next(iter(row.peers.values()))
        if row.kernel not in ("count", "distinct", "clip", "top"):  # they give the same of both
            assert not row.same(other, work()), row.kernel


def test_every_kernel_has_a_row(bench):
    _, found = rows(bench, "float32")
    named = {row.kernel.split()[0] for row in found}
    assert {kernel.name for kernel in catalogue()} <= named
