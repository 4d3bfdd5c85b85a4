"""The node's images fit where they must: the smallest board, and the smallest one with Ethernet."""

import subprocess

import pytest

pytestmark = pytest.mark.emulator


@pytest.mark.parametrize(
    ("board", "link", "flash_kb", "ram_kb"),
    [("microbit", "serial", 48, 12), ("lm3s6965evb", "ethernet", 96, 32)],
)
def test_the_node_fits(firmware, board, link, flash_kb, ram_kb):
    """With stack, plans and a log in RAM."""
    firmware.need("arm-none-eabi-size")
    image = firmware.image(board, "node", link)
    listed = subprocess.run(
        ["arm-none-eabi-size", image], capture_output=True, text=True, check=True
    )
    text, data, bss = map(int, listed.stdout.splitlines()[1].split()[:3])
    assert text + data <= flash_kb * 1024
    assert data + bss <= ram_kb * 1024
