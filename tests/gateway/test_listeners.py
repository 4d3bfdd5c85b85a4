"""Whose port it is: real sockets, and a `/proc` of the test's own."""

import os
import socket
import subprocess
import sys

import pytest

from atoll.gateway.listeners import listens


@pytest.mark.parametrize(("family", "host"), [
    (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"),
])  # fmt: skip
def test_it_is_the_process_that_listens(family, host):
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("platform: no IPv6 here")
    with server:
        port = server.getsockname()[1]
        assert listens(os.getpid(), port)
        assert not listens(os.getppid(), port)
    assert not listens(os.getpid(), port)


def test_a_connection_is_no_listener():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert not listens(os.getpid(), client.getsockname()[1])


def test_another_process_and_one_that_has_ended():
    program = "import socket; s = socket.create_server(('127.0.0.1', 0)); "
    program += "print(s.getsockname()[1], flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    port = int(child.stdout.readline())
    assert listens(child.pid, port)
    assert not listens(os.getpid(), port)
    child.communicate("\n")
    assert not listens(child.pid, port)


def test_a_proc_that_says_nothing(tmp_path):
    assert not listens(1, 1883, proc=tmp_path)
    table = tmp_path / "self/net"
    table.mkdir(parents=True)
    row = "0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 0 0 0 77 1\n"
    (table / "tcp").write_text("sl local_address\n" + row)
    assert not listens(1, 1883, proc=tmp_path)  # whose files cannot be seen
    folder = tmp_path / "1/fd"
    folder.mkdir(parents=True)
    (folder / "3").symlink_to("socket:[77]")
    assert listens(1, 1883, proc=tmp_path)
    assert not listens(1, 1884, proc=tmp_path)
