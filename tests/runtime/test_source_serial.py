import termios
from struct import unpack

import pytest
from board_tree import Line, Taken, await_true

from atoll.runtime import source_flow
from atoll.runtime.errors import UsageError
from atoll.runtime.source_serial import COLUMNS_MAX, LINE_BYTES_MAX, SerialPort, SerialSource
from atoll.runtime.source_spec import parse_spec


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


def values(sampled):
    return [list(unpack(f"<{sampled.sample_count}f", data)) for _, data in sampled.samples]


def port(columns=1, what="/dev/x"):
    return SerialPort(parse_spec(what, "s", ("baud", "columns")), columns)


def test_lines_become_samples(line):
    source = SerialSource("scale", f"{line.path}@50hz,baud=9600,columns=grams+volts", "pi")
    assert [info[1:] for info in source.streams] == [
        ("pi/grams", "f32", 1, 50.0, 1.0, ""),
        ("pi/volts", "f32", 1, 50.0, 1.0, ""),
    ]
    with Taken(source) as taken:
        await_true(lambda: source._feed._file >= 0)
        assert termios.tcgetattr(source._feed._file)[4] == termios.B9600
        line.say("cut off 1\r\n1.5 3.3\r\n# hello\r\n\r\n2.5,\t-4e-3\r\n7;")
        first = taken.next()
        line.say("8\n")
        second = taken.next()
    assert values(first) == [[1.5, 2.5], pytest.approx([3.3, -4e-3])]
    assert values(second) == [[7.0], [8.0]]
    assert (first.gap, second.gap, source.missed) == (False, False, 0)


def test_a_pulled_plug_is_survived(line, monkeypatch):
    monkeypatch.setattr(source_flow, "RETRY_S", 0.01)
    source = SerialSource("scale", str(line.path), "pi")
    with Taken(source) as taken:
        await_true(lambda: source._feed._file >= 0)
        line.say("\n1\n")
        assert values(taken.next()) == [[1.0]]
        line.pull()
        await_true(lambda: "is not there: plug the device in" in source.trouble)
        line.plug()
        await_true(lambda: not source.trouble)
        line.say("\n2\n")
        again = taken.next()
        assert (values(again), again.gap) == ([[2.0]], True)


@pytest.mark.parametrize(
    "bad", [b"1 2 3\n", b"1\n", b"one two\n", b"nan 1\n", b"1 inf\n", b"\xff\xfe 1\n", b"1 2 x\n"]
)
def test_a_line_that_is_no_sample_is_counted_and_a_gap(bad):
    feed = port(2)
    pieces = feed.take(b"\n1 2\n" + bad + b"3 4\n5 6\n")
    assert [(piece.samples, piece.gap) for piece in pieces] == [(1, False), (2, True)]
    assert unpack("<2f", pieces[1].columns[0]) == (3.0, 5.0)
    assert feed.missed == 1


def test_a_gap_waits_for_the_next_sample():
    feed = port()
    assert feed.take(b"\noops\n") == []
    assert [piece.gap for piece in feed.take(b"1\n")] == [True]
    assert [piece.gap for piece in feed.take(b"2\n")] == [False]


def test_a_line_without_an_end_is_bounded():
    feed = port()
    feed.take(b"\n")
    for _ in range(1_000):
        assert feed.take(b"9" * 500) == []
        assert len(feed._rest) <= LINE_BYTES_MAX
    assert feed.missed > 0
    # What is left of it is no sample either.
    assert [unpack("<f", piece.columns[0]) for piece in feed.take(b"9\n4\n")] == [(4.0,)]


def test_values_beyond_f32_are_cut():
    (piece,) = port().take(b"\n1e300\n-1e300\n")
    assert unpack("<2f", piece.columns[0]) == (3.4028234663852886e38, -3.4028234663852886e38)


def test_the_kernel_never_waits_with_more_than_it_keeps():
    assert port(what="/dev/x,baud=9600").pace_s == 0.2
    assert port(what="/dev/x,baud=1000000").pace_s == pytest.approx(0.02048)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("/dev/ttyUSB77", "source s: /dev/ttyUSB77 is not there: plug the device in; there are:"),
        ("/dev/null", "/dev/null is no serial port"),
        ("/dev/ttyUSB0,baud=115201", "baud=115201 is no usual speed"),
        ("/dev/ttyUSB0,columns=0", "columns=0 is no number from 1 to 64"),
        (f"/dev/ttyUSB0,columns={COLUMNS_MAX + 1}", "is no number from 1 to 64"),
        ("/dev/ttyUSB0,columns=a+a", "columns=a.a: a number, or names"),
        ("/dev/ttyUSB0,columns=a/b", "columns=a/b: a number, or names"),
        ("/dev/ttyUSB0@2001hz", "at most 2000 Hz"),
    ],
)
def test_what_cannot_be_is_told(what, words):
    with pytest.raises(UsageError, match=words):
        SerialSource("s", what, "pi")
