from struct import unpack

import pytest
from board_tree import lay_out

from atoll.runtime.errors import UsageError
from atoll.runtime.iio_device import buffered, find_device, kind_of, offset_of, polled, scale_of
from atoll.runtime.source_poll import Reader
from atoll.runtime.source_spec import parse_spec

FOLDER = "sys/bus/iio/devices/iio:device"
BOARD = {
    f"{FOLDER}0/name": "ads1015\n",
    f"{FOLDER}0/in_voltage0_raw": "-17\n",
    f"{FOLDER}0/in_voltage1_raw": "1200\n",
    f"{FOLDER}0/in_voltage1_scale": "1.0\n",
    f"{FOLDER}0/in_voltage_scale": "3.0\n",
    f"{FOLDER}0/in_voltage0-voltage1_raw": "8\n",
    f"{FOLDER}0/scan_elements/in_voltage0_index": "1\n",
    f"{FOLDER}0/scan_elements/in_voltage0_type": "le:s12/16>>4\n",
    f"{FOLDER}0/scan_elements/in_timestamp_index": "2\n",
    f"{FOLDER}0/scan_elements/in_timestamp_type": "le:s64/64>>0\n",
    f"{FOLDER}0/scan_elements/in_voltage1_index": "0\n",
    f"{FOLDER}0/scan_elements/in_voltage1_type": "le:s12/16>>4\n",
    f"{FOLDER}10/name": "bme280\n",
    f"{FOLDER}10/in_pressure_input": "101.325\n",
    f"{FOLDER}10/in_temp_raw": "100\n",
    f"{FOLDER}10/in_temp_offset": "-40\n",
    f"{FOLDER}10/in_temp_scale": "10\n",
    f"{FOLDER}10/in_humidityrelative_raw": "7\n",
    f"{FOLDER}10/in_humidityrelative_offset": "0.5\n",
}


def device(root, head):
    return find_device(parse_spec(head, "s", ()), root)


def test_by_name_entry_and_number(tmp_path):
    root = lay_out(tmp_path, BOARD)
    found = {head: device(root, head) for head in ("bme280", "iio:device10", "10")}
    assert len(set(found.values())) == 1
    assert found["10"] == (f"{root}/{FOLDER}10", f"{root}/dev/iio:device10", "bme280")


def test_what_is_not_there_says_what_is_and_how_to_enable_it(tmp_path):
    root = lay_out(tmp_path, BOARD)
    words = r"source s: no iio device 'mcp3008'; there are: ads1015 \(iio:device0\), bme280 "
    with pytest.raises(UsageError, match=words + ".*dtoverlay=mcp3008"):
        device(root, "mcp3008")
    with pytest.raises(UsageError, match=r"there are: none; .*dtoverlay=i2c-sensor,sht3x"):
        device(f"{root}/sys", "sht3x")


def test_channels_that_are_polled(tmp_path):
    adc = polled(device(lay_out(tmp_path, BOARD), "ads1015"))
    assert [(one.name, one.dtype, one.scale, one.unit) for one in adc] == [
        ("voltage0-voltage1", "i32", 3.0, "mV"),
        ("voltage0", "i32", 3.0, "mV"),
        ("voltage1", "i32", 1.0, "mV"),
    ]
    air = polled(device(str(tmp_path), "bme280"))
    assert [(one.name, one.dtype, one.scale, one.unit) for one in air] == [
        ("humidityrelative", "f32", 1.0, ""),  # the driver says no scale
        ("pressure", "f32", 1.0, "kPa"),
        ("temp", "i32", 10.0, "mdegC"),
    ]
    reader = Reader(air)
    humidity, pressure, temperature = reader.read()
    assert unpack("<f", humidity) == (7.5,)
    assert unpack("<f", pressure) == pytest.approx((101.325,))
    assert unpack("<i", temperature) == (60,)
    reader.close()


def test_what_a_buffer_may_hold_in_the_scans_order(tmp_path):
    found = buffered(device(lay_out(tmp_path, BOARD), "ads1015"))
    assert [one.name for one in found] == ["voltage1", "voltage0", "timestamp"]
    lay_out(tmp_path, {f"{FOLDER}0/in_voltage0_offset": "0.25"})
    with pytest.raises(ValueError, match=r"voltage0: an offset of 0.25 is no whole count"):
        buffered(device(str(tmp_path), "ads1015"))


def test_kinds_scales_and_offsets(tmp_path):
    assert [kind_of(name) for name in ("voltage0-voltage1", "accel_x", "temp")] == [
        "voltage",
        "accel",
        "temp",
    ]
    found = device(lay_out(tmp_path, BOARD), "bme280")
    assert (scale_of(found, "temp"), offset_of(found, "temp")) == ((10.0, "mdegC"), -40.0)
    assert (scale_of(found, "magn_x"), offset_of(found, "magn_x")) == ((1.0, ""), 0.0)
