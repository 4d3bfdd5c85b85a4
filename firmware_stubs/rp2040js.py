"""Fetch rp2040js, the emulator of the RP2040, and unpack it.

    python firmware_stubs/rp2040js.py FOLDER

It is a package of the JavaScript registry that this machine's npm is set up for. Version and
checksum are pinned; nothing of it is in the repository. It is under the MIT licence (LICENSE in the
folder). emulator/pico.mjs makes a board of it.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pinned import Missing, run, unpacked

VERSION = "1.4.1"
ARCHIVE = f"rp2040js-{VERSION}.tgz"
SHA256 = "83328017cf7e503477e8d218cb742d3e843782d795edd175a0b81346c194e56f"
TIMEOUT_S = 300


def download(target: Path) -> None:
    """The package as npm hands it out; none of its scripts is run."""
    with TemporaryDirectory(dir=target.parent) as name:
        command = ["npm", "pack", f"rp2040js@{VERSION}", "--silent", "--ignore-scripts"]
        try:
            done = subprocess.run(
                command, cwd=name, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except FileNotFoundError:
            raise Missing("there is no npm on this machine") from None
        except subprocess.TimeoutExpired:
            raise Missing(f"npm did not answer within {TIMEOUT_S} s") from None
        if done.returncode or not (Path(name) / ARCHIVE).exists():
            said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise Missing(f"npm ended with {done.returncode}: {said[0]}")
        (Path(name) / ARCHIVE).rename(target)


def main() -> int:
    """Fetch into the folder of the command line."""
    folder = Path(sys.argv[1])
    return run(
        "rp2040js",
        lambda: unpacked(folder / f"rp2040js-{VERSION}", ARCHIVE, SHA256, download),
        f"Put {ARCHIVE} (SHA-256 {SHA256}) into {folder}",
    )


if __name__ == "__main__":
    sys.exit(main())
