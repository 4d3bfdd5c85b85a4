"""Small parts of the common code at their edges (native/edges.c)."""


def test_identity_slices_and_numbers(firmware):
    assert firmware.run("edges") == {"failed": 0}
