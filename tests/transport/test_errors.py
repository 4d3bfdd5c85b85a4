"""One root for what callers catch."""

from atoll.transport.errors import AddressError, TransportError


def test_addresses_are_values_and_transport_errors():
    assert issubclass(AddressError, TransportError)
    assert issubclass(AddressError, ValueError)
