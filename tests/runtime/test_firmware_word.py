"""The throttling word: from the file, from the program, and from a program that hangs."""

import pytest
from test_health import lay_out

from atoll.runtime import firmware_word
from atoll.runtime.firmware_word import FirmwareWord


def program(tmp_path, text, path="usr/bin/vcgencmd"):
    lay_out(tmp_path, {path: f"#!/bin/sh\n{text}\n"})
    (tmp_path / path).chmod(0o755)


def test_the_kernels_file_comes_first(tmp_path):
    lay_out(tmp_path, {firmware_word.SYSFS[1:]: "50005\n"})
    program(tmp_path, "echo throttled=0x0")
    assert FirmwareWord(str(tmp_path)).read() == 0x50005


@pytest.mark.parametrize(("alarm", "word"), [("0", 0), ("1", 0x1_0001), ("", -1)])
def test_debians_kernel_has_a_voltage_monitor(tmp_path, alarm, word):
    lay_out(tmp_path, {"sys/class/hwmon/hwmon0/name": "cpu_thermal\n"})
    lay_out(tmp_path, {"sys/class/hwmon/hwmon1/name": "rpi_volt\n"})
    lay_out(tmp_path, {"sys/class/hwmon/hwmon1/in0_lcrit_alarm": f"{alarm}\n"})
    assert FirmwareWord(str(tmp_path)).read() == word


@pytest.mark.parametrize("path", ["usr/bin/vcgencmd", "opt/vc/bin/vcgencmd"])
def test_the_program_is_asked_once_a_minute(tmp_path, path, monkeypatch):
    program(tmp_path, f'echo "$1" >> {tmp_path}/asked\necho throttled=0x50000', path)
    now = 1_000.0
    monkeypatch.setattr(firmware_word, "monotonic", lambda: now)
    word = FirmwareWord(str(tmp_path))
    assert [word.read() for _ in range(5)] == [0x50000] * 5
    now += 61.0
    assert word.read() == 0x50000
    assert (tmp_path / "asked").read_text().split() == ["get_throttled"] * 2


def test_a_program_that_hangs_is_not_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(firmware_word, "PATIENCE_S", 0.1)
    monkeypatch.setattr(firmware_word, "EVERY_S", 0.0)
    program(tmp_path, f"echo x >> {tmp_path}/asked\nexec sleep 60")
    word = FirmwareWord(str(tmp_path))
    assert [word.read() for _ in range(3)] == [-1, -1, -1]
    assert (tmp_path / "asked").read_text() == "x\n"


@pytest.mark.parametrize("said", ["echo nonsense", "exit 3", "echo error=1"])
def test_nonsense_is_none(tmp_path, said):
    program(tmp_path, said)
    assert FirmwareWord(str(tmp_path)).read() == -1


def test_no_firmware_is_none(tmp_path):
    assert FirmwareWord(str(tmp_path)).read() == -1
