"""Verifiers of secrets, in the form that mosquitto keeps in its password file.

`$7$iterations$salt$hash`: PBKDF2 with HMAC-SHA-512 and a key of 64 bytes, salt and hash in base64.
A device makes its secret itself and sends the verifier only (`messages.Credential`), so that the
secret never leaves it. Secrets and tokens are random, 128 bits at least: the iterations need not
slow down guessing, and a broker that verifies each connection in its only thread must not be slowed
down.
"""

from atoll.wire.errors import DecodeError

ITERATIONS = 1_000
# What a verifier from elsewhere may ask of the broker at each connection: about 0.1 s on a small
# board.
ITERATIONS_MAX = 100_000
SALT_BYTES = 12
SECRET_BYTES = 32
_HASH_BYTES = 64


def make_verifier(secret: str, salt: bytes) -> str:
    """The verifier of a secret; `salt`: 12 random bytes."""
    from binascii import b2a_base64
    from hashlib import pbkdf2_hmac

    key = pbkdf2_hmac("sha512", secret.encode(), salt, ITERATIONS, _HASH_BYTES)
    salt_text, key_text = (b2a_base64(part, newline=False).decode() for part in (salt, key))
    return f"$7${ITERATIONS}${salt_text}${key_text}"


def check_verifier(text: str) -> str:
    """`text` if it is a verifier and nothing else: it becomes part of a line of the password file.

    Raises `DecodeError`.
    """
    from binascii import Error, a2b_base64

    match text.split("$"):
        case ["", "7", digits, salt_text, key_text] if digits.isascii() and digits.isdigit():
            try:
                salt = a2b_base64(salt_text, strict_mode=True)
                key = a2b_base64(key_text, strict_mode=True)
            except (Error, ValueError):
                raise DecodeError("verifier", "salt and hash are base64") from None
            sound = len(digits) <= 6 and 1 <= int(digits) <= ITERATIONS_MAX
            if sound and SALT_BYTES <= len(salt) <= 64 and len(key) == _HASH_BYTES:
                return text
    raise DecodeError("verifier", "a verifier is $7$iterations$salt$hash")


def matches_verifier(secret: str, verifier: str) -> bool:
    """Whether `secret` is the one that the verifier was made of."""
    from binascii import a2b_base64
    from hashlib import pbkdf2_hmac
    from hmac import compare_digest

    _, _, digits, salt_text, key_text = check_verifier(verifier).split("$")
    salt, key = a2b_base64(salt_text), a2b_base64(key_text)
    return compare_digest(pbkdf2_hmac("sha512", secret.encode(), salt, int(digits), len(key)), key)
