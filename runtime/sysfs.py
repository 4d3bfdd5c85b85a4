"""Reading what Linux shows as small files: one value a file, made anew at each read.

`root` of those who use it stands before every path, so that a test can lay out a board of its own.
"""

import os

READ_MAX = 4_096
# Devices of one kind looked at: more than any board has.
LISTED_MAX = 256


def read_text(path: str) -> str:
    """A file's text without its end; empty if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return (file.read(READ_MAX) or b"").decode("ascii", "replace").strip()
    except OSError:
        return ""


def read_float(path: str) -> float | None:
    """A file's finite number, if it holds one."""
    return number(read_text(path))


def number(text: str) -> float | None:
    """The finite number that a text is, if it is one: whole ones exactly."""
    text = text.strip()
    try:
        value = int(text) if text.lstrip("+-").isdecimal() else float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def names(folder: str, prefix: str = "") -> list[str]:
    """What is in a folder, in natural order (`device2` before `device10`); empty if it is none."""
    try:
        found = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return []
    return sorted(found, key=_natural)[:LISTED_MAX]


def write(path: str, text: str) -> None:
    """Write a value to a file that is there. Raises `OSError` that names the file."""
    file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(file)


def _natural(name: str) -> str:
    """The name with every number as long as the others, to sort by."""
    found, digits = "", ""
    for letter in name:
        if letter.isdecimal():
            digits += letter
        else:
            found += (digits and digits.zfill(12)) + letter
            digits = ""
    return found + (digits and digits.zfill(12))
