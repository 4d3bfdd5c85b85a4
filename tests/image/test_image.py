"""An image starts as a Raspberry Pi and as QEMU's own board, joins, answers, survives power cuts.

`make test-image` runs all of it; CI does not, for its length.
"""

import os
import random
import re
import threading

import numpy as np
import pytest
from image_board import BOOT_S, CARD_BYTES, Board, partitions

from atoll.cli.site import wait_until
from atoll.gateway.client_errors import FleetError, Unreachable
from atoll.kernels import Plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.emulator,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(
        os.environ.get("ATOLL_IMAGE") != "full", reason="platform: make test-image runs it"
    ),
]

PLAN = "window 64 | rms | quantiles 0.5 0.99"
RATE = 1_000
CUTS = 10


def states(site):
    """Those of all devices; None while a busy machine leaves the gateway no time to answer."""
    try:
        with site.connect() as fleet:
            return {one["state"] for one in fleet.devices()}
    except Unreachable:
        return None


def ready(site):
    return states(site) == {"ready"}


def missed(site):
    return states(site) in ({"suspect"}, {"dead"})


@pytest.fixture
def board(request, home, image, tmp_path):
    """A machine with a fresh card, which is on and has joined."""
    board = Board(request.param, image, tmp_path)
    board.start()
    try:
        wait_until(lambda: ready(home), BOOT_S, "the device has joined", lambda: alive(board))
        yield board
    except Exception as error:
        raise AssertionError(f"{error}: {board.said()}") from error
    finally:
        board.cut()
        if board.disk:
            board.disk.close()
        # One that is only missed may come back, and is not forgotten.
        wait_until(lambda: states(home) in (set(), {"dead"}), BOOT_S, "its lease is over")
        with home.connect() as fleet:
            for one in fleet.devices():
                fleet.forget(one["id"])


def alive(board):
    assert board.child.alive(), board.said()


def stored(fleet, dataset, key):
    return np.asarray(fleet.get(dataset, key))


@pytest.mark.parametrize("board", ["raspi3b"], indirect=True)
def test_a_raspberry_pi_is_born_and_answers(board, home):
    samples = np.random.default_rng(7).integers(-900, 900, 20_000).astype("i2")
    with home.connect(timeout_s=BOOT_S) as fleet:
        fleet.put("bench", samples, key="motor", rate=RATE, replicas=1)
        result = fleet.run(PLAN, over="bench")
        assert result.complete
        assert result.value == Plan(PLAN).run({"motor": samples}, rate=RATE)
    assert re.search("Started.*atoll-device", board.said())


class Writer:
    """Puts one small recording after another, each under a key of its own, and keeps account."""

    def __init__(self, site):
        self._site = site
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self.acknowledged = {}
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join()

    def wait(self, count):
        """Until so many are acknowledged."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= count, BOOT_S * 2)

    def _run(self):
        number = 0
        chance = np.random.default_rng(11)
        while not self._stopped.is_set():
            number += 1
            samples = chance.integers(-900, 900, 4_000).astype("i2")
            try:
                with self._site.connect(timeout_s=BOOT_S) as fleet:
                    fleet.put("cuts", samples, key=f"k{number}", rate=RATE, replicas=1, shards=4)
            except FleetError:
                continue  # it was not acknowledged, and nothing is said of it
            with self._changed:
                self.acknowledged[f"k{number}"] = samples
                self._changed.notify_all()


@pytest.mark.parametrize("board", ["virt"], indirect=True)
def test_ten_cuts_of_power_lose_nothing_that_was_acknowledged(board, home):
    chance = random.Random(5)
    with Writer(home) as writer:
        for _ in range(CUTS):
            writer.wait(len(writer.acknowledged) + chance.randint(2, 6))
            board.cut_in_a_write(chance.randint(1, 12))
            before = dict(writer.acknowledged)
            wait_until(lambda: missed(home), BOOT_S, "the site has missed it")
            board.start()
            wait_until(lambda: ready(home), BOOT_S, "it is back", lambda: alive(board))
            with home.connect(timeout_s=BOOT_S) as fleet:
                for key, samples in before.items():
                    assert np.array_equal(stored(fleet, "cuts", key), samples), key
    with home.connect(timeout_s=BOOT_S) as fleet:
        result = fleet.run("window 64 | rms | count", over="cuts")
        assert result.complete
    assert board.disk.flushes
    # What the data partition has grown to.
    (start, size) = partitions(board.card)[-1]
    assert start + size == CARD_BYTES
