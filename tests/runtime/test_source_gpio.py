import errno
import os
from struct import unpack

import pytest
from board_tree import Taken, lay_out
from test_gpio_lines import Chip

from atoll.runtime.errors import UsageError
from atoll.runtime.gpio_lines import INFO
from atoll.runtime.source_gpio import GpioSource


@pytest.fixture
def root(tmp_path):
    return lay_out(tmp_path, {"dev/gpiochip0": "", "dev/gpiochip1": ""})


class Chips(Chip):
    """Two chips; the second is an expander's."""

    def ioctl(self, file, code, data):
        done = super().ioctl(file, code, data)
        if os.readlink(f"/proc/self/fd/{file}").endswith("1"):
            data[:] = INFO.pack(b"gpiochip1", b"mcp23017", 16)
        return done


def test_pulses_of_two_lines(root):
    chip = Chips()
    source = GpioSource("meter", "17+27@100hz,edge=both,bias=up", "pi", root=root, ioctl=chip.ioctl)
    assert [info[1:] for info in source.streams] == [
        ("pi/line17", "i32", 1, 100.0, 1.0, "1"),
        ("pi/line27", "i32", 1, 100.0, 1.0, "1"),
    ]
    chip.edges(0, 1, 2, 3)
    chip.edges(1, 9)
    with Taken(source) as taken:
        sampled = taken.next()
    sums = [sum(unpack(f"<{sampled.sample_count}i", data)) for _, data in sampled.samples]
    assert sums == [3, 9]
    assert (source.missed, source.trouble, source.take(b"")) == (0, "", None)


def test_a_chip_that_is_gone_is_told(root):
    chip = Chips()
    source = GpioSource("meter", "17", "pi", root=root, ioctl=chip.ioctl)
    source._counters[0].close()
    assert source._sample() == []
    assert source.trouble == "source meter: Bad file descriptor: the chip is gone"
    source._counters.clear()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("x", "'x': 1 to 32 different lines, as in 17"),
        ("17+17", "different lines"),
        ("58", r"gpiochip0 \(pinctrl-bcm2711\) has lines 0 to 57, not 58"),
        (
            "gpiochip7/1",
            r"no GPIO chip 'gpiochip7'; there are: pinctrl-bcm2711 \(gpiochip0\), mcp23",
        ),
        ("17,edge=up", "edge=up is none of rising, falling, both"),
        ("17,bias=high", "bias=high is none of as-is, up, down, none"),
        ("17,debounce=2000000", "debounce=2000000 is no number from 0 to 1000000"),
        ("17@1000hz", "at most 200 Hz"),
    ],
)
def test_what_cannot_be_is_told(root, what, words):
    with pytest.raises(UsageError, match=words):
        GpioSource("s", what, "pi", root=root, ioctl=Chips().ioctl)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errno.EBUSY, "is in use by another program or driver"),
        (errno.EINVAL, "not on this chip or before Linux 5.10"),
        (errno.EACCES, "usermod -aG gpio USER"),
    ],
)
def test_a_line_that_is_refused(root, error, words):
    class Refusing(Chips):
        def ioctl(self, file, code, data):
            if len(data) == INFO.size:
                return super().ioctl(file, code, data)
            raise OSError(error, os.strerror(error))

    with pytest.raises(UsageError, match=words):
        GpioSource("s", "17", "pi", root=root, ioctl=Refusing().ioctl)


def test_chips_by_label_and_a_board_without_any(root, tmp_path):
    source = GpioSource("s", "mcp23017/3", "pi", root=root, ioctl=Expander().ioctl)
    assert [info.key for info in source.streams] == ["pi/line3"]
    source.stop()
    with pytest.raises(UsageError, match=r"there are: none; Linux 5.10 or later"):
        GpioSource("s", "17", "pi", root=str(tmp_path / "gone"), ioctl=Chips().ioctl)


class Expander(Chip):
    """Every chip is the expander; it grants lines as any."""

    def ioctl(self, file, code, data):
        done = super().ioctl(file, code, data)
        if len(data) == INFO.size:
            data[:] = INFO.pack(b"gpiochip1", b"mcp23017", 16)
        return done
