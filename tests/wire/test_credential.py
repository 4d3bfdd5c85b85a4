"""Verifiers: ours are mosquitto's, and only verifiers pass for verifiers."""

import pytest

from atoll.wire.credential import check_verifier, make_verifier, matches_verifier
from atoll.wire.errors import DecodeError

SALT = bytes(range(12))


def test_a_secret_matches_its_verifier_and_no_other():
    verifier = make_verifier("secret", SALT)
    assert check_verifier(verifier) == verifier
    assert matches_verifier("secret", verifier)
    assert not matches_verifier("Secret", verifier)
    assert make_verifier("secret", bytes(12)) != verifier


def test_the_form_is_mosquittos():
    """`mosquitto_passwd -H sha512-pbkdf2` of 2.0 made this one for the password "secret"."""
    made = (
        "$7$101$jty4TU1ZuF4mo57s$"
        "S4wPVHLbv1sNxtax8LHk/bOBYiMISNKaRiE7XkPqt1A/"
        "IlZLxDUlCVwpEenbbNlQHejbdSrF8e++uIcDo+qQ/w=="
    )
    assert check_verifier(made) == made
    assert matches_verifier("secret", made)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "$6$x$y",
        "$7$1000$" + "A" * 16,
        "$7$0$AAECAwQFBgcICQoL$" + "A" * 86 + "==",
        "$7$999999$AAECAwQFBgcICQoL$" + "A" * 86 + "==",
        "$7$-1$AAECAwQFBgcICQoL$" + "A" * 86 + "==",
        "$7$1000$AAEC$" + "A" * 86 + "==",
        "$7$1000$AAECAwQFBgcICQoL$AAAA",
        "$7$1000$AAECAwQFBgcICQoL$" + "A" * 86 + "==\n",
        "$7$1000$AAECAwQFBgcICQoL$" + "A" * 86 + "==\nroot:x",
        "$7$1000$AAECAwQF\nBgcICQoL$" + "A" * 86 + "==",
        "$7$1000$AAECAwQFBgcICQoL$" + "A" * 86 + "==$",
        "$7$1\u0662$AAECAwQFBgcICQoL$" + "A" * 86 + "==",
    ],
)
def test_nothing_else_becomes_a_line_of_the_password_file(text):
    with pytest.raises(DecodeError):
        check_verifier(text)
