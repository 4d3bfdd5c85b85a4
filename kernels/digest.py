"""SHA-256 without libcrypto: a device needs it for plan ids alone, and hashlib would map 3.7 MB."""

from importlib import import_module


def sha256(data: bytes) -> bytes:
    """The 32-byte digest (FIPS 180-4)."""
    for name in (
        "_sha2",
        "_sha256",
        "hashlib",
    ):  # Python 3.12 and later; 3.11; built without either
        try:
            module = import_module(name)
        except ImportError:
            continue
        digest: bytes = module.sha256(data).digest()
        return digest
    raise ImportError("this Python has no SHA-256")
