"""QMP: orders, answers among events, refusals, and a QEMU that is not there or hangs up."""

import json
import socket
import threading

import pytest

from atoll.cli.qmp import Qmp, QmpError

READY = {"return": {}, "id": 1}


@pytest.fixture
def qemu(tmp_path):
    """Play QEMU: what it says after each line that it hears; the lines."""
    heard, threads, path = [], [], tmp_path / "control"
    server = socket.socket(socket.AF_UNIX)

    def play(*answers):
        server.bind(str(path))
        server.listen()
        threads.append(threading.Thread(target=serve, args=[answers]))
        threads[0].start()
        return path

    def serve(answers):
        connection, _ = server.accept()
        with connection, connection.makefile("rw") as stream:
            print(json.dumps({"QMP": {}}), file=stream, flush=True)
            for lines in ([READY], *answers):
                heard.append(json.loads(stream.readline()))
                for line in lines:
                    print(json.dumps(line), file=stream, flush=True)

    yield play, heard
    for thread in threads:
        thread.join(20)
    server.close()


def test_an_order_returns_what_qemu_answers(qemu):
    play, heard = qemu
    event, earlier = {"event": "RESET"}, {"return": "old", "id": 1}
    with Qmp(play([event, earlier, {"return": {"running": True}, "id": 2}])) as control:
        assert control.order("query-status", now=True) == {"running": True}
    assert heard[1] == {"execute": "query-status", "id": 2, "arguments": {"now": True}}


def test_an_answer_may_be_fetched_later(qemu):
    play, _ = qemu
    with Qmp(play([], [{"return": "first", "id": 2}, {"return": "second", "id": 3}])) as control:
        first, second = control.post("system_reset"), control.post("stop")
        assert control.answer(first) == "first"
        assert control.answer(second) == "second"


def test_a_refusal_is_told(qemu):
    play, _ = qemu
    with (
        Qmp(play([{"error": {"desc": "no such device"}, "id": 2}])) as control,
        pytest.raises(QmpError, match="no such device"),
    ):
        control.order("set_link")


def test_memory_behind_a_guard_is_read_by_its_place_in_hardware(qemu, tmp_path):
    play, heard = qemu
    path = play([{"error": {"desc": "not mapped"}, "id": 2}], [{"return": {}, "id": 3}])
    (tmp_path / "dump").write_bytes(b"four")
    with Qmp(path) as control:
        assert control.memory(0x2000_0000, 4, tmp_path / "dump") == b"four"
    assert [line["execute"] for line in heard[1:]] == ["memsave", "pmemsave"]


def test_a_qemu_that_hangs_up(qemu):
    play, _ = qemu
    with Qmp(play()) as control, pytest.raises(QmpError, match="hung up"):
        control.answer(1)


def test_a_qemu_that_never_comes(tmp_path):
    with pytest.raises(QmpError, match="does not answer"):
        Qmp(tmp_path / "nobody", 0.1)
    with pytest.raises(QmpError, match="does not answer"):
        Qmp(tmp_path / "nobody", 60.0, alive=lambda: False)
