"""The root of an image: Debian's files for arm64, and what their packages' scripts would have done.

Nothing of the other machine runs here, so no emulator is needed: mmdebstrap unpacks, and users,
links and settings are written as files. The root is never written to again; a new one comes with a
new image.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from atoll.cli import image_texts as texts
from atoll.cli.firstboot import Told, settings, wifi_profile
from atoll.cli.options import UsageError

SUITE = "bookworm"
ARCHITECTURE = "arm64"
PACKAGES = (
    *("alsa-utils", "base-files", "base-passwd", "bash", "busybox-static", "ca-certificates"),
    *("coreutils", "dash", "dbus", "diffutils", "e2fsprogs", "fdisk", "findutils"),
    *("firmware-brcm80211", "grep", "gzip", "hostname", "init-system-helpers", "iproute2", "kmod"),
    *("libc-bin", "libpam-modules", "libpam-runtime", "linux-image-arm64", "login", "mount"),
    *("netbase", "openssh-server", "passwd", "procps", "python3", "python3-cbor2"),
    *("python3-paho-mqtt", "raspi-firmware", "sed", "sudo", "systemd", "systemd-resolved"),
    *("systemd-sysv", "systemd-timesyncd", "tar", "tzdata", "udev", "util-linux"),
    *("wireless-regdb", "wpasupplicant"),
)
PYTHON = "python3.11"  # the suite's


class ImageError(Exception):
    """An image that cannot be made; the message says what is missing."""

    exit_code = 1


def call(*words: str | Path, given: str | None = None) -> str:
    """Run a tool; `ImageError` with its last words where it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        input=given,
        stdin=None if given is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"LC_ALL": "C"},
    )
    if done.returncode:
        said = " / ".join(done.stdout.strip().splitlines()[-3:]) or "it said nothing"
        raise ImageError(f"{words[0]} ended with {done.returncode}: {said[-600:]}")
    return done.stdout


def make_base(work: Path) -> Path:
    """Debian's files as an archive, fetched once; works for any user."""
    base, stamp = work / "base.tar", work / "base.stamp"
    wanted = f"{SUITE} {ARCHITECTURE} {' '.join(PACKAGES)}\n"
    if base.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return base
    work.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    print(f"image: unpacking Debian {SUITE} for {ARCHITECTURE}", file=sys.stderr, flush=True)
    call(
        "mmdebstrap", "--quiet", "--variant=extract", f"--architectures={ARCHITECTURE}",
        "--components=main non-free-firmware",
        # Nothing is to run in there, which no mode but this one promises to somebody without root.
        f"--mode={'chrootless' if 'FAKEROOTKEY' in os.environ else 'auto'}",
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
        f"--include={','.join(PACKAGES)}", SUITE, base,
    )  # fmt: skip
    stamp.write_text(wanted)
    return base


def make_tree(base: Path, tree: Path, told: Told, debs: list[Path]) -> str:
    """Unpack and settle the root in `tree`; the kernel's version."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    call("tar", "-xpf", base, "-C", tree, "--numeric-owner", "--exclude=./dev/*")
    for deb in debs:
        archive = tree.with_name("package.tar")
        with archive.open("wb") as file:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdout=file, check=True)
        call("tar", "-xpf", archive, "-C", tree, "--keep-directory-symlink", "--numeric-owner")
        archive.unlink()
    (kernel,) = [path.name for path in (tree / "lib/modules").iterdir()]
    call("depmod", "-b", tree, kernel)
    add_users(tree)
    add_settings(tree, told)
    add_units(tree)
    _certificates(tree)
    _compile(tree)
    for path in (tree / "var/cache/apt", tree / "var/lib/apt/lists"):
        shutil.rmtree(path, ignore_errors=True)
    return kernel


def put(
    tree: Path, name: str, text: str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)
) -> None:
    """A file of the root."""
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    os.chown(path, *owner)


def link(tree: Path, name: str, target: str) -> None:
    """A symbolic link of the root."""
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def add_users(tree: Path) -> None:
    """Debian's users, those of the services, Atoll's, and a person who comes by SSH alone."""
    masters = tree / "usr/share/base-passwd"
    passwd = (masters / "passwd.master").read_text()
    passwd = re.sub(r"^(\w[\w-]*):\*:", r"\1:x:", passwd, flags=re.MULTILINE)
    lines = {
        name: f"{name}:{rest}"
        for name, rest in re.findall(
            r"^([\w-]+):(.*)$", (masters / "group.master").read_text(), re.MULTILINE
        )
    }
    for name, (number, home) in texts.USERS.items():
        passwd += f"{name}:x:{number}:{number}::{home}:/usr/sbin/nologin\n"
        lines[name] = f"{name}:x:{number}:"
    for name, number in texts.GROUPS.items():
        lines[name] = f"{name}:x:{number}:"
    device = "atoll-device"
    numbers = f"{texts.ATOLL_USER}:{texts.ATOLL_GROUP}"
    passwd += f"{device}:x:{numbers}:Atoll device:/var/lib/{device}:/usr/sbin/nologin\n"
    lines["atoll"] = f"atoll:x:{texts.ATOLL_GROUP}:"
    person = texts.PERSON
    passwd += f"{person}:x:{texts.PERSON_ID}:{texts.PERSON_ID}::/var/home/{person}:/bin/bash\n"
    lines[person] = f"{person}:x:{texts.PERSON_ID}:"
    for name in texts.DEVICE_GROUPS:
        lines[name] += device
    for name in ("sudo", "systemd-journal"):
        lines[name] += person
    put(tree, "etc/passwd", passwd)
    put(tree, "etc/group", "".join(f"{line}\n" for line in lines.values()))
    names = re.findall(r"^([\w-]+):", passwd, re.MULTILINE)
    put(
        tree,
        "etc/shadow",
        "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names),
        0o640,
        (0, 42),
    )
    put(tree, "etc/gshadow", "".join(f"{name}:*::\n" for name in lines), 0o640, (0, 42))
    put(tree, "etc/sudoers.d/010-person", f"{person} ALL=(ALL) NOPASSWD: ALL\n", 0o440)


def add_settings(tree: Path, told: Told) -> None:
    """What packages' scripts write, and what this card is told."""
    name = told.id or "atoll"
    put(tree, "etc/hostname", f"{name}\n")
    put(tree, "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost\n")
    put(tree, "etc/machine-id", "")
    put(tree, "etc/fstab", texts.FSTAB)
    for source, target in (
        ("libc-bin/nsswitch.conf", "nsswitch.conf"),
        ("base-files/profile", "profile"),
    ):
        if (tree / "usr/share" / source).is_file():
            put(tree, f"etc/{target}", (tree / "usr/share" / source).read_text())
    for file, text in texts.PAM.items():
        put(tree, f"etc/pam.d/{file}", text)
    put(tree, "etc/systemd/network/50-all.network", texts.NETWORK)
    put(tree, "etc/systemd/journald.conf.d/50-card.conf", texts.JOURNAL)
    put(tree, "etc/udev/rules.d/60-buses.rules", texts.UDEV)
    put(tree, "etc/modules-load.d/buses.conf", "i2c-dev\n")
    put(tree, "etc/ssh/sshd_config", texts.SSHD)
    for name in ("media", "mnt", "opt", "run", "srv"):
        (tree / name).mkdir(exist_ok=True)
    for name, target in (("run", "/run"), ("lock", "/run/lock")):
        if (tree / "var" / name).is_dir():
            shutil.rmtree(tree / "var" / name)
        link(tree, f"var/{name}", target)
    link(tree, "etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf")
    link(tree, "etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    link(tree, "etc/mtab", "../proc/self/mounts")
    put(tree, "etc/atoll/conf.d/50-site.toml", settings(told), 0o640, (0, texts.ATOLL_GROUP))
    home = tree / "var/home" / texts.PERSON
    owner = (texts.PERSON_ID, texts.PERSON_ID)
    for folder in (home, home / ".ssh"):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        os.chown(folder, *owner)
    put(tree, f"var/home/{texts.PERSON}/.ssh/authorized_keys", told.keys, 0o600, owner)
    if told.wifi:
        put(tree, "etc/wpa_supplicant/wpa_supplicant-wlan0.conf", wpa(told), 0o600)


def wpa(told: Told) -> str:
    """The Wi-Fi network for wpa_supplicant, with the key in place of the passphrase."""
    assert told.wifi
    name, passphrase = told.wifi
    profile = wifi_profile(name, passphrase)
    key = re.search(r"^psk=(\w+)$", profile, re.MULTILINE)
    lines = [f"country={told.country}"] if told.country else []
    lines += ["network={", f"    ssid={name.encode().hex()}"]
    lines += [f"    psk={key[1]}" if key else "    key_mgmt=NONE", "}"]
    return "\n".join(lines) + "\n"


def add_units(tree: Path) -> None:
    """Units of the card, and which of all are started."""
    put(tree, "usr/lib/atoll-card/grow", texts.GROW, 0o755)
    put(tree, "usr/lib/atoll-card/ssh-keys", texts.SSH_KEYS, 0o755)
    put(tree, "usr/lib/systemd/system/atoll-grow.service", texts.GROW_UNIT)
    put(tree, "usr/lib/systemd/system/atoll-ssh-keys.service", texts.SSH_KEYS_UNIT)
    enabled = dict(texts.ENABLED)
    if (tree / "etc/wpa_supplicant/wpa_supplicant-wlan0.conf").exists():
        enabled["wpa_supplicant@wlan0.service"] = "multi-user.target"
    units = tree / "usr/lib/systemd/system"
    for unit, target in enabled.items():
        file = re.sub("@.*[.]", "@.", unit)
        if not (units / file).is_file():
            raise ImageError(f"the root has no unit {file}")
        link(tree, f"etc/systemd/system/{target}.wants/{unit}", f"/lib/systemd/system/{file}")
    for unit in texts.MASKED:
        link(tree, f"etc/systemd/system/{unit}", "/dev/null")
    link(tree, "etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")


def _certificates(tree: Path) -> None:
    """All in one file, where TLS looks for them."""
    found = sorted((tree / "usr/share/ca-certificates/mozilla").glob("*.crt"))
    put(tree, "etc/ssl/certs/ca-certificates.crt", "".join(path.read_text() for path in found))


def _compile(tree: Path) -> None:
    """Python's modules, by this machine's Python where it is the same: the root is read-only."""
    python = shutil.which(PYTHON)
    if python is None:
        raise ImageError(f"{PYTHON} is missing on this machine: its modules must be compiled")
    call(python, "-m", "compileall", "-q", "-s", tree, "-p", "/", tree / "usr/lib" / PYTHON,
         tree / "usr/lib/python3")  # fmt: skip


def packages_of(folder: Path) -> list[Path]:
    """The packages of this architecture's device in a folder, one of each."""
    found = []
    for name, architecture in (("atoll", ARCHITECTURE), ("atoll-device", "all")):
        paths = sorted(folder.glob(f"{name}_*_{architecture}.deb"))
        if not paths:
            raise ImageError(
                f"{folder}: has no {name}_*_{architecture}.deb: make debs builds it, --debs DIR"
                " says where it is"
            )
        if len(paths) > 1:
            raise UsageError(
                f"--debs {folder}: several of {name}: {', '.join(p.name for p in paths)}"
            )
        found += paths
    return found
