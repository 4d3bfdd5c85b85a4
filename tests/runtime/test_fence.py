from atoll.runtime.fence import Fence
from atoll.wire.messages import Ack, Lease, Map


def lease(term, epoch):
    return Lease(term, 5, epoch, 7, 1, 1_000, 250, False)


def test_numbers_only_grow():
    fence = Fence(7, term=3, map_epoch=5, lease_epoch=2)
    assert fence.head == (7, 5, 2)
    assert fence.admit(Map(3, 5, 2, [])) == ("", False)
    assert fence.admit(Map(3, 6, 2, [])) == ("", True)
    assert fence.admit(Map(3, 5, 2, [])) == ("stale map", False)
    assert fence.admit(lease(3, 3)) == ("", True)
    assert fence.admit(lease(3, 2)) == ("stale lease", False)
    assert fence.admit(Ack(4, 0, 0, [])) == ("", True)
    assert fence.admit(Map(3, 9, 9, [])) == ("stale term", False)
    assert (fence.term, fence.map_epoch, fence.lease_epoch) == (4, 6, 3)


def test_only_maps_and_leases_raise_epochs():
    fence = Fence(7)
    fence.admit(Ack(1, 99, 99, []))
    assert fence.head == (7, 0, 0)


def test_a_higher_term_brings_epochs_of_its_own():
    """A gateway that lost its ledger starts its epochs anew; whoever is older stays refused."""
    fence = Fence(7, term=3, map_epoch=500, lease_epoch=20)
    assert fence.admit(Ack(900, 0, 0, [])) == ("", True)
    assert fence.admit(Map(900, 1, 0, [])) == ("", True)
    assert fence.admit(lease(900, 1)) == ("", True)
    assert fence.head == (7, 1, 1)
    assert fence.admit(Map(900, 0, 0, [])) == ("stale map", False)
    assert fence.admit(lease(900, 0)) == ("stale lease", False)
    assert fence.admit(Map(3, 501, 20, [])) == ("stale term", False)
