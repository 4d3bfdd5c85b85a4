"""The tree of errors: what ends a process and what answers a client are apart."""

from atoll.gateway.errors import ConfigError, GatewayError, LedgerError, RequestError


def test_the_tree():
    assert issubclass(ConfigError, GatewayError)
    assert issubclass(LedgerError, GatewayError)
    assert not issubclass(RequestError, GatewayError)


def test_a_ledger_error_says_whether_trying_again_helps():
    assert LedgerError("x").fatal
    assert not LedgerError("x", fatal=False).fatal
