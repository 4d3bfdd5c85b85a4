"""`atoll image`: what is refused before anything is fetched. tests/image starts a whole one."""

import pytest

from atoll.cli import image
from atoll.cli.main import run

WORDS = ["image", "--board", "rpi", "--broker", "mqtt://10.0.0.1"]


@pytest.fixture
def debs(tmp_path):
    for name in ("atoll_1_arm64.deb", "atoll-device_1_all.deb"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("more", "says", "code"),
    [
        (["--out", "/nowhere/sd.img"], "no folder /nowhere", 2),
        (["--out", "/dev/null"], "is no plain file: atoll flash writes disks", 2),
        (["--out", "sd.img", "--debs", "/nowhere"], "make debs builds it", 1),
        (["--out", "sd.img", "--token", "T"], "name it with --id", 2),
        (["--out", "sd.img", "--broker", "localhost"], "is the board itself", 2),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(debs, tmp_path, monkeypatch, capsys, more, says, code):
    monkeypatch.chdir(tmp_path)
    assert run([*WORDS, "--debs", str(debs), *more]) == code
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
    assert not (tmp_path / "sd.img").exists()


def test_missing_tools_are_named(debs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(image, "TOOLS", {"no-such-tool": "no-such-package"})
    assert run([*WORDS, "--out", "sd.img", "--debs", str(debs)]) == 1
    assert "no-such-package" in capsys.readouterr().err
