"""Memory of the runtime on aarch64: `pss.py` itself, in a guest whose own kernel counts.

    make bench-pss-arm          or: python benchmarks/pss_arm.py [--warmup 300] [--seconds 600]

qemu-user cannot tell (what it maps is the emulator's), so QEMU's `virt` board is booted as a
Cortex-A53 with Debian's arm64 kernel: a userland with Python and mosquitto, our wheel, and as
`init` a program that runs pss.py and prints what it found. The root is an initramfs, so that file
pages count as shared memory: their sum is the same. That is no board: no other kernel, page size or
libc was looked at, so it is an estimate. Writes build/bench/pss_arm.json: `alone_mb`, `rss_mb`,
`idle_cpu_percent` (of an emulated core, which says little), and the rows.
"""

import argparse
import gzip
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import arm_site

GUEST = arm_site.ROOT / "build/arm/guest"
OUTPUT = arm_site.ROOT / "build/bench/pss_arm.json"
PACKAGES = ("base-files", "coreutils", "dash", "python3", "mosquitto", "linux-image-arm64")
ALONE_MIB = 24.0
# Parts of the userland that nothing here opens; the kernel is given to QEMU beside it.
LEFT_OUT = (
    "boot",
    "usr/lib/modules",
    "lib/modules",
    "usr/share/doc",
    "usr/share/locale",
    "var/cache",
)
BEGIN, END = "-----BEGIN PSS", "-----END PSS"
SLACK_S = 300.0  # for the boot and the site, emulated
INIT = f"""\
#!/usr/bin/python3
import ctypes, os, subprocess, sys
libc = ctypes.CDLL(None)
for kind, place in (("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")):
    os.makedirs(place, exist_ok=True)
    libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
os.makedirs("/tmp", exist_ok=True)
os.environ.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", PYTHONPATH="/opt/site:/opt/tests")
sys.path[:0] = ["/opt/tests", "/opt/site"]
from wiretap import bring_up_loopback
bring_up_loopback()
os.chdir("/opt/tests")
words = open("/opt/words").read().split()
subprocess.run([sys.executable, "-P", "pss.py", "--devices", "1", *words])
try:
    print("{BEGIN}", open("build/bench/pss.json").read(), "{END}", sep="\\n", flush=True)
finally:
    libc.sync()
    libc.reboot(0x4321FEDC)
"""


def make_root() -> Path:
    """The guest's userland, once; where its kernel is."""
    root = GUEST / "root"
    if not (root / "done").exists():
        shutil.rmtree(root, ignore_errors=True)
        GUEST.mkdir(parents=True, exist_ok=True)
        words = ["mmdebstrap", "--quiet", "--variant=extract", "--architectures=arm64"]
        words += [f"--include={','.join(PACKAGES)}"]
        words += ["--setup-hook=sed -i -e /-security/d -e /-updates/d $1/etc/apt/sources.list"]
        arm_site.run([*words, arm_site.SUITE, str(root)])
        folders = [str(root / "usr/lib" / arm_site.PYTHON), str(root / "usr/lib/python3")]
        if f"python{sys.version_info.major}.{sys.version_info.minor}" == arm_site.PYTHON:
            subprocess.run([sys.executable, "-m", "compileall", "-q", *folders], check=False)
        (root / "done").touch()
    (kernel,) = (root / "boot").glob("vmlinuz-*")
    return kernel


def members(words: list[str]) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and data of everything in the initramfs."""
    root = GUEST / "root"
    places = [(root, ""), (arm_site.SITE, "opt/site/"), (Path(__file__).parent, "opt/tests/")]
    yield from ((name, 0o40755, b"") for name in ("opt", "opt/site", "opt/tests"))
    for folder, prefix in places:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if any(name == out or name.startswith(f"{out}/") for out in LEFT_OUT):
                continue
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                yield prefix + name, mode, os.readlink(path).encode()
            elif stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                yield prefix + name, mode, path.read_bytes() if stat.S_ISREG(mode) else b""
    # No package's script has run.
    yield "etc/passwd", 0o100644, b"root:x:0:0:root:/root:/bin/sh\n"
    yield "etc/group", 0o100644, b"root:x:0:\n"
    yield "opt/words", 0o100644, " ".join(words).encode()
    yield "init", 0o100755, INIT.encode()


def write_initramfs(path: Path, words: list[str]) -> None:
    """The `newc` form of cpio, as the kernel unpacks it."""
    with gzip.open(path, "wb", compresslevel=1) as out:
        for number, (name, mode, data) in enumerate([*members(words), ("TRAILER!!!", 0, b"")]):
            encoded = name.encode() + b"\0"
            fields = (number + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
            head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
            out.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))


def boot(kernel: Path, initramfs: Path, patience_s: float) -> str:
    """What the guest said, to its end."""
    words = ["qemu-system-aarch64", "-M", "virt", "-cpu", arm_site.MACHINE.cpu, "-smp", "2"]
    words += ["-m", "1536", "-nographic", "-no-reboot", "-nic", "none"]
    words += ["-kernel", str(kernel), "-initrd", str(initramfs)]
    words += ["-append", "console=ttyAMA0 quiet panic=-1"]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=patience_s,
        text=True,
        errors="replace",
    )
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--warmup", type=float, default=300.0, help="seconds of it (300)")
    parser.add_argument("--seconds", type=float, default=600.0, help="seconds of looking (600)")
    options = parser.parse_args()
    for tool in ("qemu-system-aarch64", "mmdebstrap"):
        if shutil.which(tool) is None:
            sys.exit(f"pss-arm: {tool} is missing: make setup installs it")
    arm_site.make_site()
    kernel, initramfs = make_root(), GUEST / "initramfs.gz"
    write_initramfs(initramfs, ["--warmup", str(options.warmup), "--seconds", str(options.seconds)])
    said = boot(kernel, initramfs, options.warmup + options.seconds + SLACK_S)
    _, mark, rest = said.partition(BEGIN)
    if not mark:
        sys.exit(f"pss-arm: the guest did not come to its end: {said.strip()[-800:]}")
    found = json.loads(rest.partition(END)[0])
    row = found["rows"][0]
    print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(f"aarch64, alone: {found['alone_mb']} MiB (at most {ALONE_MIB:g})")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if found["alone_mb"] <= ALONE_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
