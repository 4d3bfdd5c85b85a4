import errno
import os
import shutil
import subprocess
from struct import unpack_from

import pytest

from atoll.runtime.gpio_lines import (
    EVENT,
    GET_INFO,
    GET_LINE,
    INFO,
    REQUEST,
    EdgeCounter,
    chip_info,
)

SIZES = """
#include <linux/gpio.h>
#include <stddef.h>
#include <stdio.h>
int main(void) {
  printf("%zu %zu %zu %lu %lu %zu %zu %zu %zu %zu\\n", sizeof(struct gpiochip_info),
    sizeof(struct gpio_v2_line_request), sizeof(struct gpio_v2_line_event),
    (unsigned long)GPIO_GET_CHIPINFO_IOCTL, (unsigned long)GPIO_V2_GET_LINE_IOCTL,
    offsetof(struct gpio_v2_line_request, config),
    offsetof(struct gpio_v2_line_request, config.attrs),
    offsetof(struct gpio_v2_line_request, num_lines),
    offsetof(struct gpio_v2_line_request, fd), offsetof(struct gpio_v2_line_event, line_seqno));
}
"""


def test_the_layouts_are_the_kernels(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing")
    (tmp_path / "sizes.c").write_text(SIZES)
    subprocess.run(["gcc", "-o", tmp_path / "sizes", tmp_path / "sizes.c"], check=True)
    words = subprocess.run([tmp_path / "sizes"], capture_output=True, text=True, check=True).stdout
    config, attributes, lines, file = 288, 320, 560, 588
    assert [int(word) for word in words.split()] == [
        *(INFO.size, REQUEST.size, EVENT.size, GET_INFO, GET_LINE),
        *(config, attributes, lines, file, 20),
    ]


class Chip:
    """A chip that grants its lines: an ioctl, and the other ends of the lines."""

    def __init__(self, refuses=0):
        self.refuses = refuses
        self.requests = []
        self.lines = []

    def ioctl(self, file, code, data):
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses))
        if code == GET_INFO:
            data[:] = INFO.pack(b"gpiochip0", b"pinctrl-bcm2711", 58)
            return 0
        assert code == GET_LINE
        self.requests.append(bytes(data))
        reader, writer = os.pipe()
        self.lines.append(writer)
        data[588:592] = reader.to_bytes(4, "little")
        return 0

    def edges(self, line, *numbers):
        os.write(self.lines[line], b"".join(EVENT.pack(0, 1, 17, n, n) for n in numbers))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "gpiochip0").touch()
    return str(tmp_path / "gpiochip0")


def test_a_chips_label_and_lines(path):
    assert chip_info(path, Chip().ioctl) == ("pinctrl-bcm2711", 58)
    with pytest.raises(OSError, match="gpiochip0") as caught:
        chip_info(path, Chip(errno.ENOTTY).ioctl)
    assert caught.value.filename == path


def test_edges_are_counted_by_their_numbers(path):
    chip = Chip()
    counter = EdgeCounter(path, 17, 1 << 4 | 1 << 8, debounce_us=500, ioctl=chip.ioctl)
    assert counter.count() == 0
    chip.edges(0, 1, 2, 3)
    assert counter.count() == 3
    assert counter.count() == 0
    # The kernel had no room for 4 to 99: it keeps the newest and counts on.
    chip.edges(0, 100, 101)
    assert counter.count() == 98
    chip.edges(0, *range(102, 402))
    assert counter.count() == 300
    chip.edges(0, 2**32 - 1)
    counter.count()
    chip.edges(0, 4)
    assert counter.count() == 5
    counter.close()


def test_the_request_says_what_is_wanted(path):
    chip = Chip()
    EdgeCounter(path, 17, 1 << 5, debounce_us=500, ioctl=chip.ioctl).close()
    EdgeCounter(path, 4, 1 << 4, ioctl=chip.ioctl).close()
    with_debounce, plain = chip.requests
    assert unpack_from("<I", with_debounce) == (17,)
    assert with_debounce[256:288].rstrip(b"\0") == b"atoll"
    assert unpack_from("<QI", with_debounce, 288) == (1 << 2 | 1 << 5, 1)
    assert unpack_from("<I4xI4xQ", with_debounce, 320) == (3, 500, 1)
    assert unpack_from("<II", with_debounce, 560) == (1, 16)
    assert unpack_from("<QI", plain, 288) == (1 << 2 | 1 << 4, 0)
    assert plain[320:560] == bytes(240)


def test_a_line_that_is_refused_is_named(path):
    with pytest.raises(OSError, match="busy") as caught:
        EdgeCounter(path, 17, 0, ioctl=Chip(errno.EBUSY).ioctl)
    assert caught.value.filename == f"line 17 of {path}"
