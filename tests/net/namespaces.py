"""Hosts that are network namespaces on one bridge of their own: real TCP, cut as a test says.

Nothing of the machine's own network is touched: the bridge lives in a namespace too. Packets are
dropped on input, as a broken cable does: a sender whose output is refused would be told so.
"""

import ctypes
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_TOOLS = "/usr/sbin:/sbin:/usr/bin:/bin"  # Debian's sbin is not on every PATH


class LabError(Exception):
    """The kernel or a tool refused."""


def command(*words):
    """Run a tool of iproute2 or nftables."""
    environment = {**os.environ, "PATH": _TOOLS}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def refusal():
    """Why no namespaces can be made here; empty if they can."""
    for tool in ("ip", "nft"):
        if not any((Path(folder) / tool).exists() for folder in _TOOLS.split(":")):
            return f"{tool} is not installed: scripts/setup check"
    probe = f"atoll-{os.getpid()}-probe"
    try:
        command("ip", "netns", "add", probe)
        try:
            command("ip", "-n", probe, "link", "add", "one", "type", "veth", "peer", "name", "two")
            command("ip", "netns", "exec", probe, "nft", "add table inet atoll")
        finally:
            command("ip", "netns", "del", probe)
    except (LabError, OSError) as error:
        return f"platform: network namespaces are not permitted: {error}"
    return ""


class Lab:
    """Hosts by name, 10.77.0.1 and on; `close` removes them with all their rules."""

    _count = 0

    def __init__(self):
        Lab._count += 1
        self._prefix = f"atoll-{os.getpid()}-{Lab._count}"
        self.addresses = {}
        self._made = []
        self._make("bridge")
        self._in("bridge", "link", "add", "br0", "type", "bridge")
        self._in("bridge", "link", "set", "br0", "up")

    def _name(self, host):
        return f"{self._prefix}-{host}"

    def _in(self, host, *words):
        return command("ip", "-n", self._name(host), *words)

    def _nft(self, host, rule):
        return command("ip", "netns", "exec", self._name(host), "nft", rule)

    def _make(self, host):
        command("ip", "netns", "add", self._name(host))
        self._made.append(host)
        self._in(host, "link", "set", "lo", "up")

    def add(self, host):
        """A host on the bridge; its address."""
        number = len(self.addresses) + 1
        self._make(host)
        self._in(
            "bridge", "link", "add", f"v{number}", "type", "veth",
            "peer", "name", "eth0", "netns", self._name(host),
        )  # fmt: skip
        self._in("bridge", "link", "set", f"v{number}", "master", "br0", "up")
        address = self.addresses[host] = f"10.77.0.{number}"
        self._in(host, "address", "add", f"{address}/24", "dev", "eth0")
        self._in(host, "link", "set", "eth0", "up")
        self._nft(host, "add table inet atoll")
        hook = "{ type filter hook input priority 0; }"
        self._nft(host, f"add chain inet atoll input {hook}")
        return address

    def deafen(self, host, *, to=None):
        """`host` hears nothing any more, or nothing of one other host."""
        source = f"ip saddr {self.addresses[to]} " if to else 'iifname "eth0" '
        self._nft(host, f"add rule inet atoll input {source}drop")

    def lose(self, host, percent):
        """Of what comes to `host`, so many packets in a hundred are dropped."""
        chance = f'iifname "eth0" numgen random mod 100 < {percent} drop'
        self._nft(host, f"add rule inet atoll input {chance}")

    def heal(self, host):
        """`host` hears everything again."""
        self._nft(host, "flush chain inet atoll input")

    @contextmanager
    def inside(self, host):
        """This thread, and the threads and processes it starts meanwhile, are on `host`."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        wanted = os.open(f"/run/netns/{self._name(host)}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(wanted)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(wanted)
            os.close(before)

    def close(self):
        for host in reversed(self._made):
            command("ip", "netns", "del", self._name(host))
        self._made.clear()


def _enter(namespace):
    if _LIBC.setns(namespace, _CLONE_NEWNET):
        raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")
