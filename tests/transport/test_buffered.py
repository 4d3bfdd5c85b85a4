"""The buffered socket against real sockets: what it gives out, keeps, and does at the end."""

import socket
import ssl

import pytest

from atoll.transport.buffered import READ_BYTES, READ_BYTES_MAX, SEND_BYTES, BufferedSocket


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(5.0)
    yield BufferedSocket(ours, (BlockingIOError,)), theirs
    ours.close()
    theirs.close()


def test_one_read_is_given_out_in_pieces(pair):
    buffered, theirs = pair
    assert not buffered.fill()
    assert not buffered.holds
    theirs.sendall(b"abcdef")
    assert buffered.fill()
    assert [buffered.recv(1), buffered.recv(2), buffered.recv(9)] == [b"a", b"bc", b"def"]
    assert not buffered.holds
    with pytest.raises(BlockingIOError):
        buffered.recv(1)


def test_what_was_asked_for_in_vain_is_taken_at_once(pair):
    buffered, theirs = pair
    theirs.sendall(bytes(READ_BYTES * 3))
    buffered.fill()
    assert len(buffered.recv(READ_BYTES * 3)) == READ_BYTES
    with pytest.raises(BlockingIOError):
        buffered.recv(READ_BYTES * 2)
    buffered.fill()
    assert len(buffered.recv(READ_BYTES * 2)) == READ_BYTES * 2


def test_a_length_that_somebody_claims_is_no_memory_of_ours(pair):
    buffered, _ = pair
    with pytest.raises(BlockingIOError):
        buffered.recv(1 << 28)
    asked = []
    real = buffered._sock
    buffered._sock = type("Asked", (), {"recv": lambda _, size: (asked.append(size), b"x")[1]})()
    buffered.fill()
    buffered._sock = real
    assert asked == [READ_BYTES_MAX]


def test_the_end_is_told_after_what_came_before_it(pair):
    buffered, theirs = pair
    theirs.sendall(b"ab")
    theirs.close()
    buffered.fill()
    assert buffered.recv(5) == b"ab"
    buffered.fill()
    assert buffered.holds
    assert buffered.recv(5) == b""


def test_what_is_sent_waits_for_flush(pair):
    buffered, theirs = pair
    theirs.setblocking(False)
    assert buffered.send(b"ab") == 2
    assert buffered.send(bytearray(b"cd")) == 2
    assert buffered.waiting
    with pytest.raises(BlockingIOError):
        theirs.recv(9)
    buffered.flush()
    assert theirs.recv(9) == b"abcd"
    assert not buffered.waiting


def test_much_is_sent_before_the_turn_ends(pair):
    buffered, theirs = pair
    buffered.send(bytes(SEND_BYTES))
    assert len(theirs.recv(SEND_BYTES)) > 0


def test_what_has_no_room_is_kept_in_order(pair):
    buffered, theirs = pair
    sent = b"".join(n.to_bytes(4) for n in range(500_000))
    buffered.send(sent)
    buffered.flush()
    assert buffered.waiting
    received = b""
    while len(received) < len(sent):
        received += theirs.recv(1_000_000)
        buffered.flush()
    assert received == sent


def test_a_broken_connection_is_an_error(pair):
    buffered, theirs = pair
    theirs.close()
    buffered.send(b"x")
    with pytest.raises(OSError, match="Broken pipe"):
        buffered.flush()
    buffered.close()  # a second one would reach nobody


def test_whether_more_has_come_in_is_known(pair):
    buffered, theirs = pair
    for size, more in ((READ_BYTES - 1, False), (READ_BYTES, False), (READ_BYTES + 1, True)):
        theirs.sendall(bytes(size))
        assert buffered.fill()
        assert buffered.more is more
    assert buffered.fill()
    assert not buffered.more


def test_tls_hides_what_it_has_taken(pair):
    """A stand-in for TLS: the real one is spoken in test_link.py."""

    class Hiding:
        def __init__(self):
            self.records = [b"ab", b"cd"]

        def fileno(self):
            return pair[1].fileno()

        def pending(self):
            return sum(map(len, self.records))

        def recv(self, size):
            if not self.records:
                raise ssl.SSLWantReadError
            return self.records.pop(0)

    buffered = BufferedSocket(Hiding(), (BlockingIOError, ssl.SSLWantReadError))
    assert buffered.fill()
    assert buffered.hidden
    assert buffered.recv(9) == b"ab"
    assert buffered.fill()
    assert not buffered.hidden
    assert buffered.recv(9) == b"cd"
    assert not buffered.fill()
