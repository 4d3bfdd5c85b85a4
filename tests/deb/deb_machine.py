"""A Debian root booted by its own systemd, as a container: name spaces of its own for processes,
mounts, the network and control groups. Nothing of it outlives the process that holds it.
"""

import socket
import subprocess
from pathlib import Path

import pytest

BOOT_S = 120.0
# pivot_root and not chroot: the kernel permits no user name space (PrivateUsers) in the latter.
_BOOT = """
set -e
mount --make-rprivate /
mount --bind {root} {root}
cd {root}
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount --rbind /dev dev
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=atoll-test NOTIFY_SOCKET=/notify PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=journal --show-status=0
"""
_UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount", "--net", "--uts", "--ipc",
            "--cgroup")  # fmt: skip


class Machine:
    """A root that is up; a context manager."""

    def __init__(self, root):
        self.root = root
        self._note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self):
        self._note.bind(str(self.root / "notify"))
        self._note.settimeout(BOOT_S)
        script = _BOOT.format(root=self.root)
        self._process = subprocess.Popen([*_UNSHARE, "sh", "-c", script], stdin=subprocess.DEVNULL)
        try:
            while "READY=1" not in self._note.recv(4_096).decode():
                pass
        except TimeoutError:
            self.__exit__()
            pytest.fail("the container's systemd did not come up")
        held = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        (self._pid,) = held.split()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._note.close()

    def run(self, *words, code=0):
        """What a command in there says; it must end with `code`."""
        inside = ("nsenter", "-t", self._pid, "--all", "--root", "--wd", "env", "-i")
        given = ("LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        done = subprocess.run(
            [*inside, *given, *map(str, words)],
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.returncode}: {done.stdout[-2_000:]}"
        return done.stdout

    def property(self, unit, name):
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()


def boot_once(root, *words):
    """Boot with words of a kernel's command line, which ends the machine by itself."""
    # In a container systemd takes its own arguments for the kernel's.
    script = f"{_BOOT.format(root=root).strip()} {' '.join(words)}\n"
    subprocess.run(
        [*_UNSHARE, "sh", "-c", script], stdin=subprocess.DEVNULL, timeout=BOOT_S, check=False
    )


def refusal():
    """Why there can be no such container here; empty: there can."""
    probe = [*_UNSHARE, "sh", "-c", "mount -t cgroup2 none /mnt && mount -t sysfs none /mnt"]
    done = subprocess.run(probe, text=True, capture_output=True)
    return "" if done.returncode == 0 else f"platform: no container: {done.stderr.strip()[-200:]}"
