from struct import unpack

import pytest
from board_tree import lay_out

from atoll.runtime.errors import UsageError
from atoll.runtime.source_i2c import I2cSource

FOLDER = "sys/bus/i2c/devices"
BOARD = {
    f"{FOLDER}/i2c-1/name": "bcm2835 (i2c@7e804000)\n",
    f"{FOLDER}/1-0048/name": "ads1015\n",
    f"{FOLDER}/1-0048/iio:device0/name": "ads1015\n",
    f"{FOLDER}/1-0048/iio:device0/in_voltage0_raw": "77\n",
    f"{FOLDER}/1-0048/iio:device0/in_voltage_scale": "3\n",
    f"{FOLDER}/1-0040/name": "ina219\n",
    f"{FOLDER}/1-0040/hwmon/hwmon3/name": "ina219\n",
    f"{FOLDER}/1-0040/hwmon/hwmon3/in1_input": "5080\n",
    f"{FOLDER}/1-0076/name": "bme280\n",
    f"{FOLDER}/1-0050/name": "24c32\n",
    f"{FOLDER}/1-0050/driver/uevent": "",
}


@pytest.mark.parametrize(
    ("what", "key", "scale", "unit", "value"),
    [
        ("1-0048@10hz", "pi/voltage0", 3.0, "mV", 77),
        ("1-0040,channels=in1", "pi/in1", 0.001, "V", 5_080),
    ],
)
def test_the_drivers_channels(tmp_path, what, key, scale, unit, value):
    source = I2cSource("s", what, "pi", root=lay_out(tmp_path, BOARD))
    (info,) = source.streams
    assert (info.key, info.scale, info.unit) == (key, scale, unit)
    assert unpack("<i", source._sample()[0]) == (value,)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("0x48", "'0x48' is no BUS-ADDRESS, such as 1-0048"),
        ("1-48", "is no BUS-ADDRESS"),
        ("1-004g", "is no BUS-ADDRESS"),
        ("7-0048", r"no I2C bus 7; there are: i2c-1; .*dtparam=i2c_arm=on"),
        (
            "1-0068",
            r"no device 1-0068; there are: 1-0040, .*echo CHIP 0x68 \| sudo tee .*/i2c-1/new",
        ),
        ("1-0076", "bme280 at 1-0076 has no driver: sudo modprobe bme280"),
        ("1-0050", "its driver shows neither iio nor hwmon channels"),
        ("1-0048,channels=x", "ads1015 at 1-0048 has no channel 'x'; it has voltage0"),
    ],
)
def test_what_is_missing_is_told(tmp_path, what, words):
    root = lay_out(tmp_path, BOARD)
    with pytest.raises(UsageError, match=words):
        I2cSource("s", what, "pi", root=root)
