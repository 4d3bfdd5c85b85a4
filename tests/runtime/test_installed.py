import pytest

from atoll.kernels import receipts
from atoll.runtime import installed
from atoll.runtime.errors import StoreError
from atoll.runtime.installed import build_id, load_installed


def test_receipts_are_taken_once_per_build(tmp_path, monkeypatch):
    first = load_installed(str(tmp_path))
    assert {one.kernel: one.digest for one in first.receipts} == receipts()
    assert first.speed > 0
    assert first.software.startswith("atoll")
    monkeypatch.setattr(installed, "_take", None)  # not again
    assert load_installed(str(tmp_path)) == first


def test_another_build_or_a_damaged_file_takes_them_anew(tmp_path, monkeypatch):
    path = tmp_path / "installed"
    load_installed(str(tmp_path))
    good = path.read_text()
    for text in (good.replace("build ", "build x"), good[:40], "", "nonsense\n\n"):
        path.write_text(text)
        load_installed(str(tmp_path))
        assert path.read_text().startswith(f"build {build_id()}\n")


def test_kernels_that_cannot_be_run(tmp_path, monkeypatch):
    monkeypatch.setattr(installed, "_take", lambda path: None)
    with pytest.raises(StoreError, match="reinstall"):
        load_installed(str(tmp_path))
