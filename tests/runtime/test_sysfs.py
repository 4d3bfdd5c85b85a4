import pytest
from board_tree import lay_out

from atoll.runtime.sysfs import names, number, read_float, read_text, write


def test_values_are_read_whole_and_without_their_end(tmp_path):
    root = lay_out(tmp_path, {"a": "12\n", "b": "0.0305\n", "c": "ads1015\n"})
    assert (read_text(f"{root}/a"), read_float(f"{root}/a")) == ("12", 12)
    assert read_float(f"{root}/b") == 0.0305
    assert (read_float(f"{root}/c"), read_float(f"{root}/gone"), read_text(root)) == (
        None,
        None,
        "",
    )


def test_whole_numbers_stay_whole():
    assert number("18446744073709551615") == 2**64 - 1
    assert [number(text) for text in ("-5", "1e3", "nan", "inf", "", "0x1f", "--1")] == [
        -5,
        1_000.0,
        *[None] * 5,
    ]


def test_names_come_in_natural_order(tmp_path):
    lay_out(tmp_path, {f"device{n}/x": "" for n in (10, 2, 0)} | {"other": ""})
    assert names(str(tmp_path), "device") == ["device0", "device2", "device10"]
    lay_out(tmp_path / "adc", {f"in_voltage{n}_raw": "" for n in (10, 2)})
    assert names(str(tmp_path / "adc")) == ["in_voltage2_raw", "in_voltage10_raw"]
    assert names(str(tmp_path / "gone")) == []


def test_writing_names_the_file_and_makes_none(tmp_path):
    lay_out(tmp_path, {"enable": "0"})
    write(f"{tmp_path}/enable", "1")
    assert (tmp_path / "enable").read_text() == "1"
    with pytest.raises(OSError, match="gone") as caught:
        write(f"{tmp_path}/gone", "1")
    assert caught.value.filename == f"{tmp_path}/gone"
