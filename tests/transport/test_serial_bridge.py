"""The bridge's core against a device's end of the link: streams open, close and start anew."""

import pytest
from device_end import DeviceEnd

from atoll.transport import serial_bridge as b
from atoll.transport.serial_link import BYTES, DOWN, OPEN, UP


class Line:
    """A bridge, and a device's end of its line; messages of the device, effects of the bridge."""

    def __init__(self):
        self.now = 0.0
        self.bridge = b.SerialBridge()
        self.effects = []
        self.start_device()
        self.feed(b.LineOpened(7))

    def start_device(self, session=1):
        self.device = DeviceEnd(self.now, session)

    def feed(self, event):
        for effect in self.bridge.handle(event, self.now):
            if isinstance(effect, b.WriteLine):
                self.device.receive(effect.data, self.now)
            elif not isinstance(effect, b.Say):
                self.effects.append(effect)

    def run(self, seconds=1.0):
        for _ in range(int(seconds * 50)):
            self.now += 0.02
            if out := self.device.output(self.now):
                self.feed(b.LineBytes(out))
            self.feed(b.Woken())

    def take(self):
        effects, self.effects = self.effects, []
        return effects

    def messages(self):
        return self.device.messages()


@pytest.fixture
def line():
    made = Line()
    made.run()
    assert made.device.ready
    return made


def opened(line):
    assert line.device.send(OPEN)
    line.run()
    assert line.take() == [b.OpenStream()]
    line.feed(b.StreamOpened())
    line.run()
    assert line.messages() == [(UP, b"")]


def test_a_stream_opens_and_carries_bytes_both_ways(line):
    assert not line.bridge.wants_stream
    opened(line)
    line.device.send(BYTES, b"CONNECT")
    line.run()
    assert line.take() == [b.WriteStream(b"CONNECT")]
    line.feed(b.StreamBytes(bytes(300)))
    line.run()
    assert [len(data) for _, data in line.messages()] == [128, 128, 44]


def test_bytes_before_the_stream_is_open_go_nowhere(line):
    line.device.send(BYTES, b"early")
    line.run()
    assert line.take() == []


def test_the_broker_is_left_to_wait_while_the_line_is_slow(line):
    opened(line)
    line.feed(b.StreamBytes(bytes(b.OWED_MAX + 500)))
    assert not line.bridge.wants_stream
    line.run(5)
    assert line.bridge.wants_stream
    assert sum(len(data) for _, data in line.messages()) == b.OWED_MAX + 500


def test_what_the_broker_said_last_comes_before_its_end(line):
    opened(line)
    line.feed(b.StreamBytes(b"last"))
    line.feed(b.StreamClosed("gone"))
    line.run()
    assert line.messages() == [(BYTES, b"last"), (DOWN, b"")]
    opened(line)


def test_the_device_hangs_up(line):
    opened(line)
    line.device.send(DOWN)
    line.run()
    assert line.take() == [b.CloseStream()]
    line.feed(b.StreamBytes(b"late"))
    line.run()
    assert line.messages() == []


@pytest.mark.parametrize("session", [1, 2])
def test_a_device_that_starts_anew_gets_a_new_stream(line, session):
    opened(line)
    line.feed(b.StreamBytes(b"for the old one"))
    line.start_device(session)
    line.run(3)
    assert line.take() == [b.CloseStream()]
    line.messages()
    opened(line)
    assert line.bridge.resets == 2


def test_a_connection_that_nobody_wants_any_more_is_dropped(line):
    line.device.send(OPEN)
    line.run()
    line.feed(b.LineClosed())
    assert line.take() == [b.OpenStream(), b.CloseStream()]
    assert line.bridge.next_wakeup() is None
    line.feed(b.StreamOpened())
    assert line.take() == [b.CloseStream()]
    line.feed(b.LineOpened(8))
    line.start_device(3)
    line.run()
    opened(line)


def test_a_refused_connection_is_told_to_the_device(line):
    line.device.send(OPEN)
    line.run()
    line.feed(b.StreamClosed("refused"))
    line.run()
    assert line.messages() == [(DOWN, b"")]
