"""The firmware's Makefile: an image is made anew where its set of kernels changed."""

import subprocess

import pytest

pytestmark = pytest.mark.emulator

SMALL, OTHER = "window,mean,rms,moments", "window,mean,rms,moments,minmax"


def test_an_image_is_linked_anew_for_another_set_of_kernels(firmware, tmp_path):
    firmware.need("arm-none-eabi-gcc", "arm-none-eabi-nm")
    image = tmp_path / "board" / "node.elf"

    def build(kernels):
        words = ["BOARD=microbit", "APP=node", f"OUT={image.parent}", f"NODE_KERNELS={kernels}"]
        firmware.make(*words, "image")
        listed = subprocess.run(
            ["arm-none-eabi-nm", image], capture_output=True, text=True, check=True
        )
        return "atoll_extrema_block" in listed.stdout, image.stat().st_mtime_ns

    has, first = build(SMALL)
    assert not has
    assert build(SMALL) == (False, first)
    assert build(OTHER)[0]
    assert not build(SMALL)[0]  # whose objects are older than the image
