"""Fetch lwIP, the TCP/IP stack of the boards with Ethernet, and unpack it.

    python firmware_stubs/lwip.py FOLDER

It is Debian's source package, taken from the package archive that this machine's apt is set up
for, by apt's own downloader. Version and checksum are pinned; nothing of it is in the repository.
lwIP is under a BSD licence of three clauses (COPYING in the folder): an image that holds it is
handed on with that text.
"""

import re
import subprocess
import sys
from pathlib import Path

from pinned import Missing, run, unpacked

VERSION = "2.1.3+dfsg1"
ARCHIVE = f"lwip_{VERSION}.orig.tar.xz"
SHA256 = "0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24"
# Where Debian and Ubuntu keep the sources of a package called lwip.
PLACES = ("pool/main/l/lwip", "pool/universe/l/lwip")
HELPER = "/usr/lib/apt/apt-helper"
TIMEOUT_S = 300


def archives() -> list[str]:
    """The bases of this machine's package archives, in apt's order."""
    command = ["apt-get", "--print-uris", "update"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S).stdout
    except FileNotFoundError:
        raise Missing("there is no apt on this machine") from None
    return list(dict.fromkeys(re.findall(r"^'([^' ]+/)dists/", listed, re.MULTILINE)))


def download(target: Path) -> None:
    """The archive, from the first place that has it with the right checksum."""
    if not Path(HELPER).exists():
        raise Missing("there is no apt on this machine")
    for base in archives():
        for place in PLACES:
            words = [HELPER, "download-file", f"{base}{place}/{ARCHIVE}", str(target)]
            words += [f"SHA256:{SHA256}"]
            try:
                done = subprocess.run(words, capture_output=True, timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                raise Missing(f"{base} did not answer within {TIMEOUT_S} s") from None
            if done.returncode == 0 and target.exists():
                return
    raise Missing("none of this machine's package archives has it")


def main() -> int:
    """Fetch into the folder of the command line."""
    folder = Path(sys.argv[1])
    return run(
        "lwIP",
        lambda: unpacked(folder / f"lwip-{VERSION}", ARCHIVE, SHA256, download),
        f"Put {ARCHIVE} (SHA-256 {SHA256}) into {folder}, or build with LINK=serial",
    )


if __name__ == "__main__":
    sys.exit(main())
