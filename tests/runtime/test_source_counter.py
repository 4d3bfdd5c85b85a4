import os
from struct import unpack

import pytest
from board_tree import lay_out

from atoll.runtime.errors import UsageError
from atoll.runtime.source_counter import CounterSource

FOLDER = "sys/bus/counter/devices/counter0"
BOARD = {
    f"{FOLDER}/name": "stm32-timer-counter\n",
    f"{FOLDER}/count0/count": "65530\n",
    f"{FOLDER}/count0/ceiling": "65535\n",
    f"{FOLDER}/count0/enable": "0\n",
    f"{FOLDER}/count1/count": "10\n",
    f"{FOLDER}/signal0/signal": "low\n",
}


def test_counts_are_enabled_and_differences_taken(tmp_path):
    source = CounterSource("wheel", "0@10hz", "pi", root=lay_out(tmp_path, BOARD))
    assert [info[1:] for info in source.streams] == [
        ("pi/count0", "i32", 1, 10.0, 1.0, "1"),
        ("pi/count1", "i32", 1, 10.0, 1.0, "1"),
    ]
    assert (tmp_path / FOLDER / "count0/enable").read_text().strip() == "1"
    lay_out(tmp_path, {f"{FOLDER}/count0/count": "4\n", f"{FOLDER}/count1/count": "7\n"})
    assert [unpack("<i", one)[0] for one in source._sample()] == [10, -3]


def test_by_name_and_one_channel(tmp_path):
    root = lay_out(tmp_path, BOARD)
    source = CounterSource("wheel", "stm32-timer-counter,channels=count1", "pi", root=root)
    assert [info.key for info in source.streams] == ["pi/count1"]


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"no counter '3'; there are: none; .*gpio:17@10hz"):
        CounterSource("wheel", "3", "pi", root=str(tmp_path))
    root = lay_out(tmp_path, BOARD)
    with pytest.raises(UsageError, match=r"there are: stm32-timer-counter \(counter0\)"):
        CounterSource("wheel", "3", "pi", root=root)


def test_a_count_that_may_not_be_enabled(tmp_path):
    root = lay_out(tmp_path, BOARD)
    enable = tmp_path / FOLDER / "count0/enable"
    enable.chmod(0o400)
    if os.geteuid() == 0:
        pytest.skip("platform: root may write everything")
    with pytest.raises(UsageError, match="permission denied; run as root"):
        CounterSource("wheel", "0", "pi", root=root)
