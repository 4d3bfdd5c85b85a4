"""The wheels of ARM boards, cross-built here, used in their own userlands under qemu-user."""

import os
import platform
import signal
import subprocess
import sys

import numpy as np
import pytest
from arm_boards import output

from atoll.cli.site import Child, LocalSite
from atoll.kernels import Plan

PLAN = "window 256 | rms, kurtosis | quantiles 0.5 0.99"

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(900)]


def test_it_is_of_that_machine_and_needs_no_numpy(board):
    code = (
        "import sys, struct, atoll.runtime.main, atoll.kernels.builds as b;"
        "print(struct.calcsize('P'), b.BUILD, 'numpy' in sys.modules, b.__file__)"
    )
    size, build, numpy, path = output(board, "-c", code).split()
    assert (size, build, numpy) == ("8" if "qemu-aarch64" in board else "4", "base", "False")
    assert "/site/atoll/" in path


def test_its_receipts_are_those_of_every_machine(board):
    """The golden vectors of every kernel, through the compiled extension of that machine."""
    words = ("-m", "atoll.cli", "kernels", "--receipts", "--json")
    here = subprocess.run(
        [sys.executable, "-P", *words], text=True, capture_output=True, check=True
    )
    assert output(board, *words) == here.stdout
    assert here.stdout.count('"') > 100


class MixedSite(LocalSite):
    """Devices in userlands of other machines; gateway and broker are this machine's."""

    def start_board(self, name, program):
        (self.folder / name).mkdir()
        # An emulated program starts none of its machine by itself: what a device does in a process
        # of its own when it is new is done before.
        measure = ("-m", "atoll.runtime.installed", str(self.folder / name / "installed"))
        subprocess.run([*program, *measure], check=True)
        words = ["device", "--id", name, "--broker", self.url, "--site", self.site]
        words += ["--store", str(self.folder / name), "--profile", self.profile]
        words += ["--shared-machine", "--capacity", "1"]
        program = (*program, "-m", "atoll.cli")
        self.devices[name] = Child(name, words, self.folder / f"{name}.log", program=program)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the laptop of the fleet is x86-64")
def test_a_mixed_fleet_answers_as_one_machine_does_and_loses_a_board(tmp_path, boards):
    noise = np.random.default_rng(7)
    streams = {f"motor-{n}": noise.integers(-9_999, 9_999, 20_000, dtype="i2") for n in range(24)}
    here = Plan(PLAN).run(streams, rate=12_000)
    with MixedSite(tmp_path / "site", site="mixed", profile="fast") as site:
        site.start_gateway()
        site.start_board("one", boards["aarch64"])
        site.start_board("two", boards["aarch64"])
        site.start_board("three", boards["armv7l"])
        if "stand-in" in boards:
            site.start_board("zero", boards["stand-in"])
        site.wait_ready(len(site.devices), 120)
        with site.connect(60) as fleet:
            fleet.put_many("vibration", streams, rate=12_000)
            before = fleet.run(PLAN, over="vibration")
            assert before.complete
            assert before.value == here
            held = {d["id"]: d["shards"] for d in fleet.devices()}
            assert all(held.values()), held  # each of them has answered for some
            os.killpg(site.devices["two"].pid, signal.SIGKILL)
            after = fleet.run(PLAN, over="vibration")
            assert after.complete
            assert after.partial == before.partial
