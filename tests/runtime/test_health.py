import json

from atoll.runtime.health import DayCount, HealthReader, health_json
from atoll.wire.messages import UNSTRAINED, Health

HEALTH = Health(-1, 5, 6, -1, -1, -1, -1, -1)


def lay_out(root, files):
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def test_a_board_with_everything(tmp_path):
    lay_out(
        tmp_path,
        {
            "proc/stat": "cpu  100 0 100 700 100 0 0 0 0 0\nctxt 5\n",
            "proc/meminfo": "MemTotal: 900 kB\nMemAvailable:     512 kB\n",
            "sys/class/thermal/thermal_zone0/temp": "41000\n",
            "sys/class/thermal/thermal_zone1/temp": "52000\n",
            "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
            "sys/class/power_supply/BAT0/capacity": "83\n",
        },
    )
    reader = HealthReader(str(tmp_path), root=str(tmp_path))
    lay_out(tmp_path, {"proc/stat": "cpu  150 0 150 800 100 0 0 0 0 0\n"})
    health = reader.read()
    assert health == Health(
        500, 512 * 1_024, health.storage_free_bytes, 52_000, 0x50005, -1, -1, 83
    )
    assert health.storage_free_bytes > 0


def test_a_board_with_nothing(tmp_path):
    reader = HealthReader(str(tmp_path / "gone"), root=str(tmp_path))
    assert reader.read() == Health(-1, -1, -1, -1, -1, -1, -1, -1)


def test_nonsense_is_not_believed(tmp_path):
    lay_out(
        tmp_path,
        {
            "proc/stat": "cpu  a b c d e\n",
            "sys/class/thermal/thermal_zone0/temp": "hot\n",
            "sys/class/power_supply/BAT0/capacity": "9000\n",
        },
    )
    health = HealthReader(str(tmp_path), root=str(tmp_path)).read()
    assert (health.cpu_idle_permille, health.temperature_mc, health.battery_percent) == (
        -1,
        -1,
        100,
    )


def test_this_machine(tmp_path):
    health = HealthReader(str(tmp_path)).read()
    assert health.memory_free_bytes > 0
    assert health.storage_free_bytes > 0


def test_the_json_is_json():
    data = health_json(
        HEALTH, UNSTRAINED._replace(signal_dbm=-50), {"why": 'a "quote" \\ \n', "n": 3}
    )
    assert json.loads(data) == {
        "memory_free_bytes": 5,
        "storage_free_bytes": 6,
        "signal_dbm": -50,
        "why": "a ?quote? ? ?",
        "n": 3,
    }


def test_what_was_written_within_a_day():
    day = DayCount()
    assert [day.update(100 * hour, hour * 3_600.0) for hour in (0, 1, 23)] == [0, 100, 2_300]
    assert day.update(2_400, 24 * 3_600.0) == 2_400
    assert day.update(4_800, 48 * 3_600.0 + 5) == 2_400
    assert day.update(4_800, 100 * 3_600.0) == 0
