"""What share of the data a board takes if nobody says: what its shortest resource bears.

One unit of capacity is four cores that each take 250 M samples a second through `moments`, 2 GiB of
memory and 16 GiB of storage. The result is a power of two: boards of one kind must not differ
because one was measured on a busy morning, and a weight that changes moves data.
"""

UNIT_SPEED = 4 * 250_000_000
UNIT_MEMORY_BYTES = 2 << 30
UNIT_STORAGE_BYTES = 16 << 30
LEAST, MOST = 0.125, 64.0


def capacity_of(cores: int, speed: int, memory_bytes: int, storage_bytes: int) -> float:
    """The capacity of a board; `speed` in samples of i16 a second and core."""
    share = min(
        cores * speed / UNIT_SPEED,
        memory_bytes / UNIT_MEMORY_BYTES,
        storage_bytes / UNIT_STORAGE_BYTES,
    )
    found = LEAST
    # The nearest power of two, halfway on the scale of doublings.
    while found < MOST and share > found * 2**0.5:
        found *= 2
    return found
