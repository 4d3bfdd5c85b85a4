"""What gateways say to each other fits one message, at its bounds too."""

from atoll.wire import gateways, limits
from atoll.wire.codec import decode, encode
from atoll.wire.schema import U16, U32, U64


def test_the_largest_part_fits_a_message():
    name, data = "n" * limits.NAME_BYTES_MAX, bytes(limits.LEDGER_PART_BYTES_MAX)
    for message in (
        gateways.Batch(U32, name, U64, U32, U32, U32, U32, U32, data),
        gateways.Copy(U32, name, U32, U64, U32, U32, True, U32, data),
        gateways.Lead(U64, U32, name, name, U64),
        gateways.Beat(U32, name, U16, U64, U32),
        gateways.Heard(name, U64, U16, U64, U32, U32, U32, U64, True),
    ):
        encoded = encode(message)
        assert len(encoded) <= limits.MESSAGE_BYTES_MAX
        assert decode(encoded) == message
