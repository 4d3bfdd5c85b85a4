import os
from struct import pack, unpack

import pytest
from board_tree import Taken, await_true, lay_out

from atoll.runtime import source_flow
from atoll.runtime.errors import UsageError
from atoll.runtime.source_iio import make_iio

DEVICES = "sys/bus/iio/devices"
FOLDER = f"{DEVICES}/iio:device0"
SCAN = f"{FOLDER}/scan_elements"
# An IMU that paces itself: two axes and a temperature, with times.
IMU = {
    f"{FOLDER}/name": "imu",
    f"{FOLDER}/sampling_frequency": "100",
    f"{FOLDER}/current_timestamp_clock": "realtime",
    f"{FOLDER}/in_accel_scale": "0.5",
    f"{FOLDER}/in_accel_x_raw": "-3",
    f"{FOLDER}/in_temp_raw": "7",
    f"{FOLDER}/buffer/enable": "1",
    f"{FOLDER}/buffer/length": "2",
    f"{FOLDER}/buffer/watermark": "1",
}
for number, (name, kind) in enumerate(
    [
        ("accel_x", "be:s12/16>>4"),
        ("accel_y", "be:s12/16>>4"),
        ("temp", "le:s16/16>>0"),
        ("timestamp", "le:s64/64>>0"),
    ]
):
    IMU |= {f"{SCAN}/in_{name}_en": "1", f"{SCAN}/in_{name}_index": f"{number}"}
    IMU |= {f"{SCAN}/in_{name}_type": kind}
TRIGGER = {f"{FOLDER}/trigger/current_trigger": "\n", f"{DEVICES}/trigger0/name": "atoll"}
MS = 1_000_000


class Imu:
    """The board, and the end of the device's buffer that the driver has."""

    def __init__(self, folder, files):
        self.folder = folder
        self.root = lay_out(folder, files)
        self.plug()

    def plug(self):
        (self.folder / "dev").mkdir(exist_ok=True)
        os.mkfifo(self.folder / "dev/iio:device0")
        self.driver = os.open(self.folder / "dev/iio:device0", os.O_RDWR)

    def scans(self, *rows):
        """Scans of x, y and a time in ms: x and y as twelve bits to the left of sixteen."""
        os.write(
            self.driver,
            b"".join(
                pack(">hh4xq", x << 4, y << 4, 0)[:8] + pack("<q", ms * MS) for x, y, ms in rows
            ),
        )

    def says(self, name):
        return (self.folder / FOLDER / name).read_text().strip()


@pytest.fixture
def imu(tmp_path):
    board = Imu(tmp_path, IMU)
    yield board
    os.close(board.driver)


def values(sampled):
    count = sampled.sample_count
    return [list(unpack(f"<{count}h", data)) for _, data in sampled.samples]


def test_without_a_buffer_the_files_are_read(imu):
    source = make_iio("imu", "imu@100hz,channels=accel_x", "pi", root=imu.root)
    assert [info[1:] for info in source.streams] == [("pi/accel_x", "i32", 1, 100.0, 0.5, "m/s2")]
    with Taken(source) as taken:
        sampled = taken.next()
    assert unpack("<i", sampled.samples[0][1][:4]) == (-3,)


def test_a_buffer_is_set_up_read_and_ended(imu):
    source = make_iio("imu", "imu@100hz,buffer,channels=accel_x+accel_y", "pi", root=imu.root)
    assert [info[1:] for info in source.streams] == [
        ("pi/accel_x", "i16", 1, 100.0, 0.5, "m/s2"),
        ("pi/accel_y", "i16", 1, 100.0, 0.5, "m/s2"),
    ]
    assert imu.says("buffer/enable") == "0"
    with Taken(source) as taken:
        await_true(lambda: imu.says("buffer/enable") == "1")
        switched = [imu.says(f"scan_elements/in_{n}_en") for n in ("accel_x", "accel_y", "temp")]
        assert switched == ["1", "1", "0"]
        assert imu.says("scan_elements/in_timestamp_en") == "1"
        assert (imu.says("buffer/length"), imu.says("buffer/watermark")) == ("200", "20")
        assert imu.says("current_timestamp_clock") == "monotonic"
        imu.scans((1, -2, 10), (2047, -2048, 20))
        first = taken.next()
        imu.scans((3, 4, 30))
        second = taken.next()
    assert values(first) == [[1, 2047], [-2, -2048]]
    assert values(second) == [[3], [4]]
    assert (first.gap, second.gap, source.missed) == (False, False, 0)
    assert imu.says("buffer/enable") == "0"


def test_scans_that_are_missing_are_a_gap(imu):
    source = make_iio("imu", "imu@100hz,buffer,channels=accel_x+accel_y", "pi", root=imu.root)
    with Taken(source) as taken:
        # Jitter is none; three are missing between 30 and 70 ms; then time goes backwards.
        imu.scans((1, 0, 10), (2, 0, 23), (3, 0, 30), (4, 0, 70), (5, 0, 80), (6, 0, 8))
        pieces = [taken.next() for _ in range(3)]
    assert [values(piece)[0] for piece in pieces] == [[1, 2, 3], [4, 5], [6]]
    assert [piece.gap for piece in pieces] == [False, True, True]
    assert source.missed == 3 + 1


def test_a_scan_in_two_reads(imu):
    feed = make_iio("imu", "imu,buffer,channels=accel_x+accel_y", "pi", root=imu.root)._feed
    data = pack(">hh4x", 1 << 4, 2 << 4) + pack("<q", 10 * MS)
    assert feed.scan.size == 16
    assert feed.take(data[:7]) == []
    (piece,) = feed.take(data[7:] + data[:15])
    assert (piece.samples, piece.gap) == (1, False)
    assert len(feed.take(data[15:])[0].columns) == 2


def test_a_device_that_was_unplugged_comes_back(imu, monkeypatch):
    monkeypatch.setattr(source_flow, "RETRY_S", 0.01)
    source = make_iio("imu", "imu@100hz,buffer,channels=accel_x+accel_y", "pi", root=imu.root)
    with Taken(source) as taken:
        imu.scans((1, 2, 10))
        assert not taken.next().gap
        (imu.folder / FOLDER / "name").write_text("other")
        old = imu.driver
        (imu.folder / "dev/iio:device0").unlink()
        imu.plug()
        os.close(old)
        await_true(lambda: "no iio device 'imu'" in source.trouble)
        (imu.folder / FOLDER / "name").write_text("imu")
        await_true(lambda: not source.trouble)
        imu.scans((3, 4, 990))
        again = taken.next()
    assert (values(again), again.gap) == ([[3], [4]], True)


def test_a_trigger_is_chosen_and_paces(tmp_path):
    files = IMU | TRIGGER | {f"{DEVICES}/trigger0/sampling_frequency": "10"}
    board = Imu(tmp_path, files)
    source = make_iio("imu", "imu@250hz,trigger=atoll", "pi", root=board.root)
    assert source.streams[0].rate_hz == 250.0
    assert (tmp_path / DEVICES / "trigger0/sampling_frequency").read_text() == "250"
    assert board.says("trigger/current_trigger") == "atoll"
    assert [info.key for info in source.streams] == ["pi/accel_x", "pi/accel_y", "pi/temp"]
    os.close(board.driver)


@pytest.mark.parametrize(
    ("files", "what", "words"),
    [
        ({}, "adc,buffer", r"no iio device 'adc'; there are: imu \(iio:device0\)"),
        ({}, "imu,buffer,channels=gyro", "its buffer has no channel 'gyro'; it has accel_x, acc"),
        ({}, "imu,channels=gyro", "iio device imu has no channel 'gyro'; it has accel_x, temp"),
        ({}, "imu@300hz", "at most 200 Hz"),
        ({}, "imu@200000hz,buffer", "at most 100000 Hz"),
        ({f"{SCAN}/in_temp_type": "le:s17/16>>0"}, "imu,buffer", "17 bits do not lie in 16"),
        (TRIGGER, "imu,buffer", "waits for a trigger: trigger=NAME, one of atoll; mkdir"),
        ({f"{FOLDER}/sampling_frequency": ""}, "imu,buffer", "no rate: write it behind an @"),
    ],
)
def test_what_cannot_be_is_told(tmp_path, files, what, words):
    board = Imu(tmp_path, IMU | files)
    with pytest.raises(UsageError, match=words):
        make_iio("s", what, "pi", root=board.root)
    os.close(board.driver)


def test_a_rate_that_the_driver_does_not_take(tmp_path, monkeypatch):
    board = Imu(tmp_path, IMU | {f"{FOLDER}/sampling_frequency_available": "100 200"})
    # A fake keeps what is written; a driver takes the rates that it has.
    monkeypatch.setattr("atoll.runtime.source_iio.write", lambda path, text: None)
    with pytest.raises(UsageError, match="rate 150 Hz: the driver has 100 200"):
        make_iio("s", "imu@150hz,buffer", "pi", root=board.root)
    os.close(board.driver)


def test_a_device_without_a_buffer_and_one_without_its_node(tmp_path):
    lay_out(tmp_path, {f"{FOLDER}/name": "plain", f"{FOLDER}/in_temp_raw": "1"})
    with pytest.raises(UsageError, match="iio device plain has no buffer: leave out ,buffer"):
        make_iio("s", "plain,buffer", "pi", root=str(tmp_path))
    lay_out(tmp_path, IMU)
    with pytest.raises(UsageError, match="dev/iio:device0: No such file"):
        make_iio("s", "imu,buffer", "pi", root=str(tmp_path))
