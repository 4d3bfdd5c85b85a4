"""The smallest useful set fits a Cortex-M0 in 12 KB and 2 KB, the catalogue an M4F in 96 KB."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sizes():
    path = ROOT / "benchmarks" / "firmware_size.py"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.syspath_prepend(path.parent)  # benchmarks import each other by name
    spec = importlib.util.spec_from_file_location("firmware_size", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.undo()
    return module


@pytest.fixture
def compiler(sizes):
    if not shutil.which(sizes.CC):
        pytest.skip(f"{sizes.CC} is not installed")


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_smallest_set_fits_a_cortex_m0(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "BUILD", tmp_path)
    folder = sizes.amalgamation("smallest", sizes.SMALLEST)
    found = sizes.linked(folder, "m0", "device")
    assert 8 * 1024 < found.flash <= sizes.SMALLEST_FLASH_MAX
    # The library's part is in it: soft float alone is more than this.
    assert 2048 < found.library < found.flash / 2
    assert sizes.linked(folder, "m0", "merge").flash > found.flash


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_catalogue_without_models_fits_a_cortex_m4f(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "BUILD", tmp_path)
    kernels = sizes.sets()["without models"]
    assert not sizes.MODELS & set(kernels)
    folder = sizes.amalgamation("without-models", kernels)
    assert 16 * 1024 < sizes.linked(folder, "m4f", "merge").flash <= sizes.CATALOGUE_FLASH_MAX


@pytest.mark.parametrize("dtype", ["i16", "i32", "f32"])
def test_the_smallest_sets_state_fits_beside_its_window(sizes, dtype):
    assert sizes.state_beside_window(sizes.SMALLEST_PLAN, dtype) <= sizes.SMALLEST_RAM_MAX


def test_a_bound_that_is_broken_is_said(sizes):
    ethernet = {"lm3s6965evb by ethernet": {"flash": 98304, "ram_without_log": 32768}}
    board = {"microbit": {"flash": 49152, "ram": 12288}, "mps2-an385": {"flash": 99999}, **ethernet}
    within = {"smallest_flash": 12288, "smallest_ram": 2048, "catalogue_flash": 1, "boards": board}
    assert sizes.broken(within) == []
    assert "12289" in sizes.broken({**within, "smallest_flash": 12289})[0]
    board["microbit"]["ram"] = 12289
    assert sizes.broken(within) == ["ram of microbit is 12289 bytes, at most 12288 are allowed"]
    del board["microbit"]
    assert sizes.broken(within) == ["microbit was not measured"]
