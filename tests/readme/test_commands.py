"""The README's commands and its Python, run in the README's order on a site that they start.

The site is the reader's: `atoll gateway` brings its own broker, on a free port where the usual one
is taken, so the URL is read from what it prints. Lines that end in `&` stay in the background
until the end; everything runs in an empty folder with the environment of this Python.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = [pytest.mark.site, pytest.mark.broker]

START_S = 20.0
COMMAND_S = 60.0
USUAL_URL = "mqtt://127.0.0.1:1883"
BIN = Path(sys.executable).parent


class Shell:
    """Runs lines in one folder, keeps the background ones, and knows the broker's URL."""

    def __init__(self, folder):
        self.folder = folder
        self.url = None
        self.children = []
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ATOLL_")}
        self.environment = {**kept, "PATH": f"{BIN}:{kept['PATH']}", "PYTHONUNBUFFERED": "1"}

    def background(self, line):
        """Start a line that ends in `&`, and wait until it is ready; a gateway has said its URL."""
        child = subprocess.Popen(
            ["bash", "-c", f"exec {line.removesuffix('&').strip()}"],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said = Said(child)
        self.children.append((child, said))
        if line.startswith("atoll gateway"):
            self.url = said.wait_for(r"mqtt://\S+").rstrip(",")
            self.environment["ATOLL_BROKER"] = self.url
        else:
            said.wait_for(r": ready")

    def run(self, line):
        """Run one line to its end and return its output; it must end with 0."""
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment,
            text=True,
            errors="replace",  # mosquitto_sub prints CBOR as it comes
            capture_output=True,
            timeout=COMMAND_S,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def close(self):
        """End the background lines, the newest first, as a reader with Ctrl-C would."""
        for child, said in reversed(self.children):
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(START_S)
            except subprocess.TimeoutExpired:
                child.kill()
            said.join()


class Said(threading.Thread):
    """Reads what a background command says, so that it never blocks, and lets others wait."""

    def __init__(self, child):
        super().__init__(daemon=True)
        self.child = child
        self.text = ""
        self.changed = threading.Condition()
        self.start()

    def run(self):
        for line in self.child.stdout:
            with self.changed:
                self.text += line
                self.changed.notify_all()

    def wait_for(self, pattern):
        """The first match of a pattern in what was said."""
        with self.changed:
            there = self.changed.wait_for(lambda: re.search(pattern, self.text), START_S)
        assert there, f"nothing like {pattern} in: {self.text}"
        return there[0]


@pytest.fixture
def two_boards(tmp_path):
    shell = Shell(tmp_path)
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def shell(readme, tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("readme"))
    try:
        for line in readme.commands("Ten lines of Python"):
            if line == ". .venv/bin/activate":
                continue
            assert line.endswith("&"), f"not expected there: {line}"
            shell.background(line)
        yield shell
    finally:
        shell.close()


def test_python(shell, readme):
    code = readme.python().text.replace(USUAL_URL, shell.url)
    (shell.folder / "snippet.py").write_text(code)
    assert "True" in shell.run("python snippet.py")


def test_commands(shell, readme):
    for line in readme.commands("The command"):
        assert shell.run(line) or line.startswith(("python ", "atoll put"))


def test_topics(shell, readme):
    if not shutil.which("mosquitto_sub"):
        pytest.skip("mosquitto_sub is missing: apt install mosquitto-clients")
    (line,) = readme.commands("Topics")
    port = shell.url.rpartition(":")[2]
    # All that is retained, up to the first message that is not.
    said = shell.run(f"{line} -h 127.0.0.1 -p {port} --retained-only -W 20")
    for device in ("one", "two"):
        status = re.search(rf"^atoll/v1/home/device/{device}/up/status (.*)$", said, re.MULTILINE)
        assert json.loads(status[1])["state"] == "ready"


def test_two_boards(two_boards, readme, free_port):
    # Loopback stands for the network and a folder for /var/lib; the broker asks for passwords too.
    lines = readme.commands("From the demonstration to two real boards")
    secrets = {}
    for line in lines:
        line = line.replace("/var/lib/atoll", str(two_boards.folder))
        line = line.replace("0.0.0.0", f"127.0.0.1 --port {free_port}")
        line = line.replace("192.168.1.10", f"127.0.0.1:{free_port}")
        for word, secret in secrets.items():
            line = re.sub(rf"(?<=[ =]){word}\b", secret, line)
        if line.startswith(("atoll gateway", "atoll device")):
            two_boards.background(line)
            continue
        said = two_boards.run(line)
        if line.startswith("atoll enroll"):
            secrets["PASSWORD" if "--client" in line else "TOKEN"] = re.search(
                r"\b[0-9a-f]{32,}", said
            )[0]
    assert re.search(r"^pi-02 +ready", said, re.MULTILINE)
