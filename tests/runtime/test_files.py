import os

import pytest

from atoll.runtime.files import SystemFiles


@pytest.fixture
def files():
    return SystemFiles()


def test_append_read_truncate(files, tmp_path):
    path = str(tmp_path / "a")
    handle = files.open(path, create=True)
    assert files.append(handle, (b"abc", b"", b"defg")) == 7
    assert files.read(handle, 100, 2) == b"cdefg"
    files.truncate(handle, 3)
    assert files.append(handle, (b"X",)) == 1
    files.sync(handle)
    assert files.size(handle) == 4
    files.close(handle)
    assert (tmp_path / "a").read_bytes() == b"abcX"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_create_never_takes_over(files, tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.open(str(tmp_path / "a"), create=True)
    with pytest.raises(FileNotFoundError):
        files.open(str(tmp_path / "b"))


def test_names_and_directories(files, tmp_path):
    deep = str(tmp_path / "x" / "y" / "z")
    files.make_directory(deep)
    files.make_directory(deep)
    assert os.stat(deep).st_mode & 0o777 == 0o700
    for name in ("b", "a"):
        files.close(files.open(f"{deep}/{name}", create=True))
    assert files.names(deep) == ["a", "b"]
    files.rename(f"{deep}/b", f"{deep}/a")
    files.sync_directory(deep)
    files.remove(f"{deep}/a")
    files.remove_directory(deep)
    assert files.names(deep) == []
    assert files.free_bytes(str(tmp_path)) > 0


def test_short_writes_are_finished(files, tmp_path, monkeypatch):
    path = str(tmp_path / "a")
    handle = files.open(path, create=True)
    whole = os.writev
    monkeypatch.setattr(os, "writev", lambda fd, pieces: whole(fd, [b"".join(pieces)[:3]]))
    assert files.append(handle, (b"ab", b"cdef")) == 6
    assert (tmp_path / "a").read_bytes() == b"abcdef"


def test_a_folder_that_another_process_makes_at_the_same_moment(files, tmp_path, monkeypatch):
    """Two devices whose stores have one parent started together, and one of them gave up."""
    make = os.mkdir

    def made_before(path, mode):
        make(path, mode)
        make(path, mode)

    monkeypatch.setattr(os, "mkdir", made_before)
    deep = str(tmp_path / "site" / "two")
    files.make_directory(deep)
    assert os.path.isdir(deep)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileExistsError):
        files.make_directory(str(tmp_path / "file"))


def test_a_folder_whose_name_is_not_durable_is_not_kept(tmp_path):
    class Unsynced(SystemFiles):
        def sync_directory(self, path):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        Unsynced().make_directory(str(tmp_path / "a"))
    assert not (tmp_path / "a").exists()
