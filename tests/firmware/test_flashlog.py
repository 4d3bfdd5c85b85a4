"""The flash log keeps its promises through power cuts, rot, bad pages and wear.

The harness (native/powercut.c) does the cutting; here it is run, and run once more with faults put
into the log, since a harness that finds nothing must be shown to find something.
"""

import subprocess

import pytest

# Each takes one precaution out of the log; what it breaks.
FAULTS = {
    "body is not summed up": (
        "atoll_bytes_le32(seen) == crc;",
        "atoll_bytes_le32(seen) != 0u;",
    ),
    "a torn head's room is given away": (
        "offset = *end + atoll_logpage_rounded(log->flash, ATOLL_LOGPAGE_RECORD_HEAD);",
        "offset = *end;",
    ),
    "a head without body keeps no room": (
        "*end = offset < log->flash->page_size ? offset : log->flash->page_size;",
        "*end = offset < *end ? offset : *end;",
    ),
    "no page is kept for acknowledgements": (
        "record->type == ATOLL_LOGPAGE_DATA ? 1u : 0u;",
        "record->type == ATOLL_LOGPAGE_DATA ? 0u : 0u;",
    ),
    "programs are not read back": (
        "memcmp(seen, from + at, some) != 0) {",
        "memcmp(seen, from + at, 0) != 0) {",
    ),
    "a page's head forgets what was acknowledged": (
        "atoll_bytes_put_le64(head + 16, log->acked);",
        "atoll_bytes_put_le64(head + 16, 0);",
    ),
    "a live page is erased": (
        "&& !entry->bad && entry->last <= log->acked;",
        "&& !entry->bad && entry->last <= log->acked + 1u;",
    ),
    "pages are not used in turn": (
        "uint16_t page = log->current;\n    do {",
        "uint16_t page = (uint16_t)(log->flash->page_count - 1u);\n    do {",
    ),
}


def test_cuts_and_rot(firmware):
    found = firmware.run("powercut", "--cuts", "100000", "--flips", "50000")
    assert found["cuts"] >= 100_000
    assert found["doubles"] >= 10_000
    assert found["flips"] >= 50_000
    assert found["torn_found"] > 0
    assert found["flips_seen"] > found["flips"] // 2
    assert found["faults"] > 0
    for promise in ("lost", "torn", "stuck", "violations", "flips_undetected", "unworn"):
        assert found[promise] == 0, promise
    # A log opens by reading its flash a few times over, and no more.
    assert found["open_reads_permille"] < 10_000


@pytest.mark.slow  # with the other builds of spoilt code more than ten seconds
@pytest.mark.parametrize("name", FAULTS)
def test_harness_finds(firmware, tmp_path, name):
    before, after = FAULTS[name]
    program = firmware.spoilt("powercut", tmp_path, before, after)
    run = [program, "--cuts", "300000", "--flips", "2000"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stdout
