import pytest

from atoll.cli import firmware
from atoll.cli.firmware import BOARDS, SOURCES, FirmwareError


def test_the_boards_are_those_of_the_sources():
    assert {path.parent.name for path in SOURCES.glob("boards/*/board.mk")} == set(BOARDS)
    for name, board in BOARDS.items():
        core = (SOURCES / "boards" / name / "board.mk").read_text().split()[2]
        assert board.core.startswith(f"Cortex-{core}")


def test_missing_tools_are_named_with_their_package(monkeypatch):
    with pytest.raises(FirmwareError, match="apt install gcc-none"):
        firmware.need({"no-such-gcc": "gcc-none", "sh": "dash"})


def test_an_installed_package_says_that_it_has_no_sources(monkeypatch, tmp_path):
    monkeypatch.setattr(firmware, "SOURCES", tmp_path)
    with pytest.raises(FirmwareError, match="from a checkout"):
        firmware.build("microbit", "node")


@pytest.mark.emulator
def test_an_image_is_built_and_a_failed_build_is_one_line():
    image = firmware.build("microbit", "probe")
    assert image.elf.is_file()
    assert image.identity % 1024 == 0
    with pytest.raises(FirmwareError, match="no symbol nothing"):
        firmware.symbol(image.elf, "nothing")
    with pytest.raises(FirmwareError, match="the image of microbit was not built") as failure:
        firmware.build("microbit", "nothing")
    assert "\n" not in str(failure.value)
