"""`atoll serial`: what it says before a line is there; with boards it runs in test_emulate.py."""

import os
import subprocess
import sys

import pytest

from atoll.cli.main import run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "a", "--port", "a"], "each line once"),
        (["--port", "a", "--broker", "mqtts://x"], "plain MQTT"),
        (["--port", "tcp:nowhere"], "tcp:HOST:PORT"),
        (["--port", os.devnull], "is no serial port"),
    ],
)
def test_what_is_no_line_is_one_line(words, said, capsys):
    assert run(["serial", *words]) != 0
    errors = capsys.readouterr().err
    assert said in errors
    assert len(errors.splitlines()) == 1


def test_a_line_that_is_not_there_is_waited_for(tmp_path):
    command = [sys.executable, "-m", "atoll.cli", "serial", "--port", str(tmp_path / "ttyACM0")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert "No such file or directory; waiting for it" in process.stdout.readline()
        process.terminate()
        assert process.wait(20) == 0
