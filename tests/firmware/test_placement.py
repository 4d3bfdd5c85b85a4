"""Placement on microcontrollers: it compiles without a warning, and is the gateway's."""

import subprocess

import pytest

from atoll.gateway.placement import Site, shard_point, walk
from atoll.gateway.slots import SlotTable

pytestmark = pytest.mark.emulator

SEED, WANTED = 0x5EED1234, 3
WEIGHTS, ZONES = [100, 200, 50, 100, 25, 10, 300, 75], 4
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror", "-Os"]
CODE_BYTES_MAX = 320  # of a walk and a placement of it, without the table
PROGRAM = """
#include "walk.h"
uint32_t place(struct atoll_walk *walk, const int32_t *zone, uint16_t *found, uint32_t point);
uint32_t place(struct atoll_walk *walk, const int32_t *zone, uint16_t *found, uint32_t point)
{
    atoll_walk_begin(walk, point);
    return atoll_walk_place(walk, zone, found, 3);
}
"""


@pytest.fixture
def site():
    """A table of 64 slots and its devices in zones."""
    table, sites = SlotTable(64), {}
    for number, weight in enumerate(WEIGHTS):
        table.admit(number, weight)
        sites[number] = Site(f"d{number}", f"z{number % ZONES}", weight)
    return table, sites


def test_the_walk_compiles_for_the_smallest_core_without_a_warning(firmware, tmp_path):
    firmware.need("arm-none-eabi-gcc", "arm-none-eabi-size")
    source, made = tmp_path / "place.c", tmp_path / "place.o"
    source.write_text(PROGRAM)
    folder = firmware.sources.parent / "gateway" / "parts"
    words = ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb", *FLAGS, f"-I{folder}", "-c"]
    done = subprocess.run([*words, source, "-o", made], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    sizes = subprocess.run(
        ["arm-none-eabi-size", made], capture_output=True, text=True, check=True
    ).stdout.split()
    code, data, bss = map(int, sizes[6:9])
    assert (data, bss) == (0, 0)
    assert code <= CODE_BYTES_MAX
    listed = subprocess.run(
        ["arm-none-eabi-nm", "-u", made], capture_output=True, text=True, check=True
    ).stdout
    assert listed == "", "it calls nothing: no division, no memory"


@pytest.mark.parametrize("board", ["microbit", "mps2-an386", "pico"])
def test_a_board_places_as_the_gateway_does(emulate, board, site):
    table, sites = site
    machine = emulate(board)
    for at, (owner, threshold) in enumerate(zip(table.owner, table.threshold, strict=True)):
        if threshold:
            assert machine.ask(f"slot {at} {owner} {threshold} {owner % ZONES}") == "ok"
    for shard in range(60):
        point = shard_point("vibration", shard)
        wanted = walk(SEED, point, table, sites, WANTED)
        assert machine.ask(f"place {SEED} {point} {WANTED}") == " ".join(map(str, wanted))
    assert machine.ask(f"place {SEED} 1 9") == "refused"
    assert machine.ask("slot 64 0 1 0") == "refused"
