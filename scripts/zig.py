"""The zig compiler, fetched as a wheel, pinned by checksum: the one way that was found to the ARMv6
with hardware floats of a Raspberry Pi Zero, whose C library Debian does not have.

    build/zig/VERSION/ziglang/zig
"""

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
VERSION = "0.17.1"
HOME = ROOT / "build" / "zig" / VERSION
# The wheels for x86-64 and aarch64: those that it runs on here.
SHA256 = (
    "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
    "b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e",
)


def compiler() -> Path:
    """The program; fetched where it is not there yet. Ends the program with a line on failure."""
    program = HOME / "ziglang" / "zig"
    if program.is_file():
        return program
    print(f"zig: fetching zig {VERSION} (100 MB)", file=sys.stderr, flush=True)
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=HOME.parent, prefix=".new-") as name:
        wanted = Path(name) / "wanted.txt"
        hashes = " ".join(f"--hash=sha256:{one}" for one in SHA256)
        wanted.write_text(f"ziglang=={VERSION} {hashes}\n")
        fresh = Path(name) / "site"
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        words += ["--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes"]
        done = subprocess.run(
            [*words, "--target", str(fresh), "-r", str(wanted)], text=True, capture_output=True
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            sys.exit(f"zig: pip could not fetch ziglang {VERSION}: {said[0]}")
        shutil.rmtree(HOME, ignore_errors=True)  # what an interrupted call left
        fresh.rename(HOME)
    return program


def target(triplet: str, cpu: str) -> list[str]:
    """The words of a compiler for a machine; `triplet` and `cpu` are zig's names."""
    # Its own checks of undefined behaviour would be traps in a release, and slow.
    return [str(compiler()), "cc", "-target", triplet, f"-mcpu={cpu}", "-fno-sanitize=undefined"]
