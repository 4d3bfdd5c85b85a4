from struct import unpack

import pytest
from board_tree import Taken, lay_out

from atoll.runtime.errors import UsageError
from atoll.runtime.source_hwmon import HwmonSource

BOARD = {
    "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
    "sys/class/hwmon/hwmon0/temp1_input": "48312\n",
    "sys/class/hwmon/hwmon1/name": "ina219\n",
    "sys/class/hwmon/hwmon1/in1_input": "5080\n",
    "sys/class/hwmon/hwmon1/curr1_input": "-120\n",
    "sys/class/hwmon/hwmon1/power1_input": "2500000\n",
    "sys/class/hwmon/hwmon1/in1_label": "bus\n",
    "sys/class/hwmon/hwmon1/beep_input": "1\n",
    "sys/class/hwmon/hwmon2/name": "rpi_volt\n",
}


def test_a_chips_inputs_with_scale_and_unit(tmp_path):
    source = HwmonSource("power", "ina219@100hz", "pi", root=lay_out(tmp_path, BOARD))
    assert [info[1:] for info in source.streams] == [
        ("pi/curr1", "i32", 1, 100.0, 0.001, "A"),
        ("pi/in1", "i32", 1, 100.0, 0.001, "V"),
        ("pi/power1", "i32", 1, 100.0, 1e-6, "W"),
    ]
    with Taken(source) as taken:
        sampled = taken.next()
    count = sampled.sample_count
    assert dict(sampled.samples)["pi/curr1"] == unpacked(-120) * count
    assert dict(sampled.samples)["pi/power1"] == unpacked(2_500_000) * count
    assert source.take(b"") is None
    assert (source.late >= 0, source.missed, source.trouble) == (True, 0, "")


def unpacked(value):
    return value.to_bytes(4, "little", signed=True)


def test_one_channel_by_the_chips_entry(tmp_path):
    source = HwmonSource("t", "hwmon0@1,channels=temp1", "pi", root=lay_out(tmp_path, BOARD))
    assert [(info.key, info.unit) for info in source.streams] == [("pi/temp1", "degC")]
    assert unpack("<i", source._sample()[0]) == (48_312,)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (
            "lm75",
            r"source s: no hwmon chip 'lm75'; there are: cpu_thermal \(hwmon0\), "
            r"ina219 \(hwmon1\), rpi_volt \(hwmon2\); plug it in .*dtoverlay=i2c-sensor,lm75",
        ),
        ("ina219,channels=in9", "hwmon ina219 has no channel 'in9'; it has curr1, in1, power1"),
        ("rpi_volt", "hwmon rpi_volt has no channel that can be read"),
        ("ina219@201hz", "at most 200 Hz"),
        ("ina219,rate=3", "option 'rate=3': channels, each once"),
    ],
)
def test_what_cannot_be_is_told(tmp_path, what, words):
    root = lay_out(tmp_path, BOARD)
    with pytest.raises(UsageError, match=words):
        HwmonSource("s", what, "pi", root=root)


def test_a_board_without_any(tmp_path):
    with pytest.raises(UsageError, match="there are: none"):
        HwmonSource("s", "cpu_thermal", "pi", root=str(tmp_path))
