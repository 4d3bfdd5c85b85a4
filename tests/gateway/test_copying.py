"""A copy on its way: numbered, bounded, said again."""

from atoll.gateway.copying import UNDER_WAY_PARTS, Copying
from atoll.gateway.pairing import Place, Publish, ReadMore


def parts(effects):
    return [effect.message.part for effect in effects if type(effect) is Publish]


def test_parts_go_out_as_they_are_read_and_more_is_read_while_there_is_room():
    copy = Copying(3, Place(9, 7), 8, "a")
    for number in range(UNDER_WAY_PARTS - 1):
        effects = copy.read(b"x", False)
        assert parts(effects) == [number]
        assert effects[1:] == [ReadMore(3)]
    assert copy.read(b"x", False)[1:] == [], "no room"
    assert copy.heard(0) == (False, [])
    assert copy.heard(2) == (True, [ReadMore(3)])
    assert copy.heard(3) == (True, []), "it is being read"
    assert parts(copy.again()) == list(range(3, UNDER_WAY_PARTS))


def test_the_last_part_says_so_and_nothing_is_read_after_it():
    copy = Copying(3, Place(9, 7), 8, "a")
    (sent,) = copy.read(b"end", True)
    message = sent.message
    assert (message.term, message.leader, message.number, message.number_term) == (8, "a", 9, 7)
    assert (message.part, message.last, message.data) == (0, True, b"end")
    assert copy.heard(1) == (True, [])
    assert copy.again() == []
