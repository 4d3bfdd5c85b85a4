"""A partial and the checkpoint behind it, in one result."""

import pytest

from atoll.wire.errors import WireError
from atoll.wire.ordered import Carried, pack, unpack

WHOLE = Carried(2**40 + 5, 7, b"partial", b"checkpoint")


def test_what_is_packed_comes_back():
    assert unpack(pack(WHOLE)) == WHOLE
    assert unpack(pack(Carried(0, 0, b"", b""))) == Carried(0, 0, b"", b"")


@pytest.mark.parametrize("cut", [0, 5, 19, 22])
def test_what_is_cut_off_is_refused(cut):
    with pytest.raises(WireError):
        unpack(pack(WHOLE)[:cut])
