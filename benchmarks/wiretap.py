"""Every packet of one device's connection with its broker, counted with its IP and TCP headers and
told apart by what it is for. Works on the loopback of a network namespace of its own.
"""

import fcntl
import socket
import struct
import threading
from collections import Counter
from typing import NamedTuple

_ALL = 0x0003  # ETH_P_ALL
_OUTGOING = 4  # loopback shows each packet twice: as it leaves and as it comes
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_ETHERNET = 14
_CONNECT, _PUBLISH = 1, 3
_NAMES = {
    1: "connect",
    2: "connect",
    4: "acknowledgement",
    8: "subscribe",
    9: "subscribe",
    12: "keep-alive",
    13: "keep-alive",
    14: "disconnect",
}
ALONE = "TCP alone"


def bring_up_loopback() -> None:
    """In a new namespace it is down."""
    with socket.socket() as one:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(one, _GET_FLAGS, request))[1]
        fcntl.ioctl(one, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


class Count(NamedTuple):
    """Bytes with headers, and packets of MQTT (of TCP, where no MQTT is in them), by purpose."""

    octets: Counter[str]
    packets: Counter[str]


class Wiretap:
    """Looks at the connection of the client `client_id` with the broker at `port`."""

    def __init__(self, port: int, client_id: str) -> None:
        self._port = port
        self._client_id = client_id.encode()
        self._lock = threading.Lock()
        self._streams: dict[tuple[int, bool], bytearray] = {}
        self._ours: set[int] = set()
        self._count = Count(Counter(), Counter())
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
        threading.Thread(target=self._run, daemon=True).start()

    def take(self) -> Count:
        """What was counted since the last call."""
        with self._lock:
            taken, self._count = self._count, Count(Counter(), Counter())
        return taken

    def _run(self) -> None:
        while True:
            data, (_, _, kind, *_) = self._socket.recvfrom(131_072)
            if kind != _OUTGOING and data[12:14] == b"\x08\x00":
                with self._lock:
                    self._packet(data[_ETHERNET:])

    def _packet(self, data: bytes) -> None:
        """An IPv4 packet: if it is TCP of ours, its bytes go to what its first message is for."""
        size = int.from_bytes(data[2:4], "big")
        ip = (data[0] & 15) * 4
        if data[9] != socket.IPPROTO_TCP:
            return
        source, target = struct.unpack_from(">HH", data, ip)
        if self._port not in (source, target):
            return
        up = target == self._port
        client = source if up else target
        payload = data[ip + (data[ip + 12] >> 4) * 4 : size]
        if up and payload[:1] == bytes([_CONNECT << 4]) and self._client_id in payload:
            self._ours.add(client)
        if client not in self._ours:
            return
        purposes = self._purposes((client, up), payload)
        self._count.octets[purposes[0] if purposes else ALONE] += size
        self._count.packets.update(purposes or [ALONE])

    def _purposes(self, stream: tuple[int, bool], payload: bytes) -> list[str]:
        """What the messages are for that end in this payload."""
        held = self._streams.setdefault(stream, bytearray())
        held += payload
        found = []
        while len(held) > 1:
            length, at = 0, 1
            while at < len(held):
                length |= (held[at] & 127) << 7 * (at - 1)
                at += 1
                if held[at - 1] < 128:
                    break
            if len(held) < at + length:
                break
            found.append(_purpose(bytes(held[: at + length]), at))
            del held[: at + length]
        return found


def _purpose(message: bytes, at: int) -> str:
    kind = message[0] >> 4
    if kind != _PUBLISH:
        return _NAMES.get(kind, f"type {kind}")
    size = int.from_bytes(message[at : at + 2], "big")
    topic = message[at + 2 : at + 2 + size].decode("utf-8", "replace")
    return "/".join(topic.split("/")[-2:])
