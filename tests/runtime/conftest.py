"""A real broker for the device's tests; `device_rig` and `failing_disk` are imported from here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import device_rig


@pytest.fixture
def broker(tmp_path):
    """mosquitto on a free loopback port."""
    if device_rig.MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    one = device_rig.Broker(tmp_path)
    yield one
    one.stop()
