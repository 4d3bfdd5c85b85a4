from atoll.runtime.fence import JOBS_MAX, Fence
from atoll.wire.messages import Ack, Blocks, Cancel, Lease, Map, Standing, Tasks


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


def test_epochs_of_an_older_term_do_not_bind_a_newer_one_after_a_restart_either():
    """The term is known from one message, the map comes later, and the device starts in between."""
    fence = Fence(7, term=3, map_epoch=500, lease_epoch=20)
    assert fence.admit(Ack(900, 0, 0, [])) == ("", True)
    again = Fence(
        8, term=900, map_epoch=500, lease_epoch=20, map_term=fence.map_term,
        lease_term=fence.lease_term,
    )  # fmt: skip
    assert again.head == (8, 500, 20)
    assert again.admit(Map(900, 1, 0, [])) == ("", True)
    assert again.admit(lease(900, 1)) == ("", True)
    assert again.admit(Map(900, 0, 0, [])) == ("stale map", False)


def standing(term, epoch, job="hum"):
    return Standing(term, epoch, 0, job, b"p", "d", 64, 0, [])


def test_an_order_that_comes_behind_its_end_is_refused():
    fence = Fence(7)
    assert fence.admit(standing(3, 5))[0] == ""
    assert fence.admit(Cancel(3, 5, 0, "hum"))[0] == ""
    assert fence.admit(standing(3, 5))[0] == "stale order"
    assert fence.admit(standing(3, 4))[0] == "stale order"
    assert fence.admit(standing(3, 5, "other"))[0] == ""
    assert fence.admit(standing(3, 6))[0] == "", "one of that name that was started later"
    assert fence.admit(Cancel(3, 5, 0, "hum"))[0] == "stale cancel"
    assert fence.admit(standing(3, 6))[0] == ""
    assert fence.admit(Cancel(4, 0, 0, "hum"))[0] == ""
    assert fence.admit(standing(4, 0))[0] == "stale order"


def test_tasks_behind_the_end_of_their_query_are_refused():
    fence = Fence(7)
    tasks = Tasks(3, 5, 0, "q1", b"p", "d", [])
    assert fence.admit(tasks)[0] == ""
    assert fence.admit(Cancel(3, 5, 0, "q1"))[0] == ""
    assert fence.admit(tasks)[0] == "tasks of an ended job"
    assert fence.admit(tasks._replace(job="q2"))[0] == ""


def test_blocks_of_a_lease_of_before_are_refused():
    fence = Fence(7, term=3, map_epoch=5, lease_epoch=2)
    assert fence.admit(Blocks(3, 5, 1, 9, False, []))[0] == "blocks of a stale lease"
    assert fence.admit(Blocks(3, 5, 2, 9, False, []))[0] == ""
    assert fence.admit(Blocks(4, 0, 0, 9, False, []))[0] == "", "another gateway's leases"


def test_what_is_remembered_of_jobs_is_bounded():
    fence = Fence(7)
    for number in range(JOBS_MAX + 50):
        fence.admit(standing(3, 5, f"j{number}"))
        fence.admit(Cancel(3, 5, 0, f"j{number}"))
    assert len(fence._ended) == len(fence._ordered) == JOBS_MAX
    assert fence.admit(standing(3, 5, f"j{JOBS_MAX + 49}"))[0] == "stale order"
