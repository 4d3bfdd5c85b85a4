"""The processes of a site: what starts is ended, and what fails is told."""

import os
import signal
import subprocess
import sys
import time

import pytest

from atoll.cli.site import START_TIMEOUT_S, LocalSite, SiteError, pss_mb, wait_until


def test_memory_of_a_process():
    assert pss_mb(os.getpid()) > 1
    assert pss_mb(2**22 - 1) is None


def test_waiting_says_for_what():
    assert wait_until(lambda: True, 1, "x") < 0.5
    with pytest.raises(SiteError, match=r"after 0\.1 s it is still not so that pigs fly"):
        wait_until(lambda: False, 0.1, "pigs fly")


@pytest.mark.site
def test_a_site_starts_answers_and_ends(new_site):
    new_site.start(2)
    children = [new_site.gateway, *new_site.devices.values()]
    with new_site.connect() as fleet:
        assert {row["state"] for row in fleet.devices()} == {"ready"}
    new_site.stop()
    assert not any(child.alive() for child in children)
    assert all(child.process.returncode == 0 for child in children)


@pytest.mark.site
def test_a_gateway_that_cannot_start_is_quoted(tmp_path):
    (tmp_path / "gateway").write_text("no folder")
    started = time.monotonic()
    with (
        LocalSite(tmp_path) as site,
        pytest.raises(SiteError, match="gateway did not start: atoll"),
    ):
        site.start(1)
    assert time.monotonic() - started < START_TIMEOUT_S / 2, "its end was not noticed"


@pytest.mark.site
def test_a_device_that_ends_is_quoted(new_site):
    new_site.start_gateway()
    (new_site.folder / "device-1").write_text("no folder")
    new_site.start_device("device-1")
    with pytest.raises(SiteError, match=r"device-1 ended: .*device-1"):
        new_site.wait_ready(1)


@pytest.mark.site
def test_children_end_with_their_parent(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from atoll.cli.site import LocalSite\n"
        f"site = LocalSite(Path({str(tmp_path)!r}))\n"
        "site.start(1)\n"
        "print(site.gateway.pid, site.devices['device-1'].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2

    def gone(pid):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    wait_until(lambda: all(map(gone, pids)), 15, "the children have ended")
