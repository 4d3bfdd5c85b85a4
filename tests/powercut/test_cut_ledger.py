"""The ledger under power cuts, and a ledger that does not sync is found out."""

import shutil
import tempfile
from pathlib import Path

import pytest
from cut_ledger import Broken, LedgerCampaign, build_recorder, read_recording, record


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    return build_recorder(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def memory():
    """A folder in memory, where there is one: every check of a cut opens a ledger and syncs it."""
    base = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=base if base.is_dir() else None) as folder:
        yield Path(folder)


def test_every_operation_of_a_workload(recorder, memory):
    campaign = LedgerCampaign(memory, 1)
    campaign.run_once(record(recorder, memory, 1, 6))
    assert campaign.cuts > 200


def test_what_is_recorded(recorder, memory):
    operations = record(recorder, memory, 2, 5)
    kinds = {one.kind for one in operations}
    assert {"c", "w", "s", "d", "r", "m"} <= kinds
    assert {one.path for one in operations} >= {"ledger.sqlite", "ledger.sqlite-wal", "mark"}
    assert sum(one.kind == "m" for one in operations) == 6
    assert operations == list(read_recording(memory / "trace"))


def test_a_ledger_that_does_not_sync_is_found_out(recorder, memory):
    campaign = LedgerCampaign(memory, 3)
    operations = record(recorder, memory, 3, 8, pragma="synchronous = OFF")
    with pytest.raises(Broken):
        campaign.run_once(operations)
