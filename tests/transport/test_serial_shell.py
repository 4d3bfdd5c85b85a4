"""The bridge's shell: a pseudo-terminal as the line, a listening socket as the broker."""

import os
import select
import socket
import tty

import pytest
from device_end import DeviceEnd

from atoll.transport.errors import AddressError
from atoll.transport.loop import Loop
from atoll.transport.serial_link import BYTES, DOWN, OPEN, UP
from atoll.transport.serial_shell import SerialShell, open_line
from atoll.transport.url import Broker


class Bench:
    """A shell in a loop, the device's end of its line, and the broker's end of its stream."""

    def __init__(self, tmp_path):
        self.loop = Loop()
        self.said = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.path = tmp_path / "tty"
        self.plug()
        broker = Broker("127.0.0.1", self.server.getsockname()[1])
        self.shell = SerialShell(self.loop, str(self.path), broker, self.said.append)

    def plug(self, session=1):
        self.master, slave = os.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        self.slave = slave
        self.device = DeviceEnd(self.loop.now(), session)
        self.loop.watch(self.master, readable=self._read)

    def unplug(self):
        self.loop.unwatch(self.master)
        os.close(self.master)
        os.close(self.slave)
        self.path.unlink()
        self.master = -1

    def _read(self):
        self.device.receive(os.read(self.master, 4096), self.loop.now())

    def until(self, claim):
        def held():
            if self.master >= 0 and (out := self.device.output(self.loop.now())):
                os.write(self.master, out)
            return claim()

        def again():
            self._tick = self.loop.call_later(0.02, again)

        again()
        assert self.loop.run_until(held, 10), self.said
        self._tick.cancel()

    def messages(self, count):
        found = []
        self.until(lambda: found.extend(self.device.messages()) or len(found) >= count)
        return found

    def end(self):
        self.shell.close()
        if self.master >= 0:
            self.unplug()
        self.server.close()
        self.loop.close()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.end()


def test_bytes_go_both_ways_and_an_unplugged_line_hangs_up(bench):
    bench.shell.start()
    bench.until(lambda: bench.device.ready)
    bench.device.send(OPEN)
    assert bench.messages(1) == [(UP, b"")]
    stream, _ = bench.server.accept()
    stream.settimeout(10)
    bench.device.send(BYTES, b"\x10\x03\x00\x11")
    bench.until(lambda: select.select([stream], [], [], 0)[0])
    assert stream.recv(100) == b"\x10\x03\x00\x11"
    stream.sendall(b"\x13")
    assert bench.messages(1) == [(BYTES, b"\x13")]
    bench.unplug()
    bench.until(lambda: bench.said[-1].endswith("waiting for it"))
    assert stream.recv(100) == b""  # and so the broker publishes the will
    stream.close()
    bench.plug(session=2)
    bench.until(lambda: bench.device.ready)
    bench.device.send(OPEN)
    assert bench.messages(1) == [(UP, b"")]


def test_a_broker_that_is_not_there_is_told_to_the_device(bench):
    bench.server.close()
    bench.shell.start()
    bench.until(lambda: bench.device.ready)
    bench.device.send(OPEN)
    assert bench.messages(1) == [(DOWN, b"")]
    assert any("Connection refused" in line for line in bench.said)


def test_a_broker_that_closes_is_told_to_the_device(bench):
    bench.shell.start()
    bench.until(lambda: bench.device.ready)
    bench.device.send(OPEN)
    bench.messages(1)
    bench.server.accept()[0].close()
    assert bench.messages(1) == [(DOWN, b"")]


def test_what_is_no_line(tmp_path):
    with pytest.raises(AddressError, match="is no serial port"):
        open_line(os.devnull)
    with pytest.raises(AddressError, match="tcp:HOST:PORT"):
        open_line("tcp:nowhere")
    with pytest.raises(FileNotFoundError):
        open_line(f"unix:{tmp_path}/nothing")
