"""The disk that the image's cuts of power rest on, asked as QEMU asks it."""

import random
import socket
import struct
import threading
from contextlib import suppress

import pytest
from volatile_disk import BLOCK, EXPORT_NAME, FLUSH, NO_ZEROES, READ, WRITE, VolatileDisk

COUNT = 64


class Machine:
    """The other end: an export asked for by the oldest way, and requests one after another."""

    def __init__(self, disk):
        self.answered = 0
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(disk.place))
        self._reader = self._socket.makefile("rb")
        assert self._reader.read(18)[:16] == b"NBDMAGICIHAVEOPT"
        self._socket.sendall(struct.pack(">I8sII", 1 | NO_ZEROES, b"IHAVEOPT", EXPORT_NAME, 0))
        self.size, _ = struct.unpack(">QH", self._reader.read(10))

    def ask(self, kind, start=0, size=0, data=b""):
        size = size or len(data)
        head = struct.pack(">IHHQQI", 0x25609513, 0, kind, 77, start, size)
        self._socket.sendall(head + data)
        magic, error, handle = struct.unpack(">IIQ", self._reader.read(16))
        assert (magic, error, handle) == (0x67446698, 0, 77)
        return self._reader.read(size) if kind == READ else b""

    def next(self):
        return bytes([2 + self.answered % 200])

    def write_for_ever(self):
        """A block of another number each time, until no answer comes."""
        with suppress(OSError, struct.error):
            while True:
                self.ask(WRITE, data=self.next() * BLOCK)
                self.answered += 1

    def die(self, writer=None):
        self._socket.shutdown(socket.SHUT_RDWR)
        if writer:
            writer.join()
        self._reader.close()
        self._socket.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(COUNT * BLOCK))
    return path


@pytest.fixture
def disk(file, tmp_path):
    disk = VolatileDisk(file, tmp_path / "disk.sock", random.Random(3))
    yield disk
    disk.close()


def test_what_was_flushed_is_there_and_of_the_rest_some(disk, file):
    machine = Machine(disk)
    assert machine.size == COUNT * BLOCK
    machine.ask(WRITE, data=b"\1" * BLOCK * 32)
    machine.ask(FLUSH)
    machine.ask(WRITE, data=b"\2" * BLOCK * 32)
    assert machine.ask(READ, size=BLOCK * 33) == b"\2" * BLOCK * 32 + bytes(BLOCK)
    machine.die()
    disk.cut()
    data = file.read_bytes()
    blocks = [data[at * BLOCK : (at + 1) * BLOCK] for at in range(COUNT)]
    old, new = blocks[:32].count(b"\1" * BLOCK), blocks[:32].count(b"\2" * BLOCK)
    assert old + new == 32
    assert (disk.held, disk.lost) == (32, old)
    assert 0 < old < 32
    assert set(blocks[32:]) == {bytes(BLOCK)}


def test_a_part_of_a_block_leaves_the_rest_alone(disk, file):
    machine = Machine(disk)
    machine.ask(WRITE, 1_024, data=b"\7" * 6_144)
    assert machine.ask(READ, 512, 7_168) == bytes(512) + b"\7" * 6_144 + bytes(512)
    machine.ask(FLUSH)
    machine.die()
    disk.cut()
    assert file.read_bytes() == bytes(1_024) + b"\7" * 6_144 + bytes(COUNT * BLOCK - 7_168)
    assert (disk.lost, disk.flushes) == (0, 1)


def test_a_write_in_the_middle_of_which_the_power_goes_is_not_answered(disk, file):
    machine = Machine(disk)
    machine.ask(WRITE, data=b"\1" * BLOCK)
    machine.ask(FLUSH)
    writer = threading.Thread(target=machine.write_for_ever)
    writer.start()
    disk.stop_in_a_write(3, 30)
    machine.die(writer)
    disk.cut()
    assert machine.answered >= 2
    assert disk.held == 1
    assert file.read_bytes()[:BLOCK] in (b"\1" * BLOCK, machine.next() * BLOCK)


def test_the_next_machine_has_what_the_cut_left(disk, file):
    for number in range(3):
        machine = Machine(disk)
        assert machine.ask(READ, size=BLOCK) == bytes([number]) * BLOCK
        machine.ask(WRITE, data=bytes([number + 1]) * BLOCK)
        machine.ask(FLUSH)
        machine.die()
        disk.cut()
