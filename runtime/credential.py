"""The device's secret: made here at the first join, never sent; the gateway gets its salted hash.

The one-time token of `atoll enroll` opens the broker once. The device then makes a secret of 256
random bits, keeps it in its store (mode 0600) and sends the verifier that the broker's password
file wants in place of the token's: `$7$<iterations>$<salt>$<hash>`, PBKDF2 with HMAC-SHA-512 as
mosquitto 2 writes it. 101 iterations are mosquitto's own; stretching has nothing to add to a secret
that nobody chose.
"""

import os

from atoll.runtime.errors import StoreError

ITERATIONS = 101
SALT_BYTES = 12
SECRET_BYTES = 32


def read_secret(root: str) -> str:
    """The secret of an earlier join, or "". Raises `StoreError` if others could have read it."""
    path = f"{root}/secret"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        if os.fstat(handle).st_mode & 0o077:
            raise StoreError(f"{path} is open to others: chmod it to 600, or enroll anew")
        return os.read(handle, 256).decode("ascii", "replace").strip()
    finally:
        os.close(handle)


def make_secret(root: str) -> str:
    """A new secret, on disk before it is used."""
    secret = os.urandom(SECRET_BYTES).hex()
    path = f"{root}/secret"
    handle = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, secret.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(f"{path}.new", path)
    return secret


def make_verifier(secret: str) -> str:
    """The salted hash of a secret, as a broker's password file holds it."""
    from binascii import b2a_base64
    from hashlib import pbkdf2_hmac

    salt = os.urandom(SALT_BYTES)
    digest = pbkdf2_hmac("sha512", secret.encode(), salt, ITERATIONS)
    parts = (b2a_base64(part, newline=False).decode() for part in (salt, digest))
    return f"$7${ITERATIONS}$" + "$".join(parts)
