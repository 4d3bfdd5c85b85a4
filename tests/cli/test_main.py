import ast
import os
import signal
import subprocess
import sys
import time

import pytest

from atoll.cli import main


def modules_after(verb, *, cwd):
    """What is imported once the verb's arguments have been read."""
    code = (
        "import sys\nfrom atoll.cli import main\n"
        f"main.run([{verb!r}, '--help'])\nsys.stdout = sys.stderr\nprint(sorted(sys.modules))"
    )
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=True)
    return set(ast.literal_eval(done.stderr))


def test_no_verb_shows_all_verbs(capsys):
    assert main.run([]) == main.USAGE
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in main.VERBS)


def test_help_is_no_error(capsys):
    assert main.run(["--help"]) == main.OK
    assert "usage: atoll VERB" in capsys.readouterr().out


@pytest.mark.parametrize(("word", "meant"), [("devises", "devices"), ("xyz", "--help")])
def test_an_unknown_verb(capsys, word, meant):
    assert main.run([word]) == main.USAGE
    assert meant in capsys.readouterr().err


@pytest.mark.parametrize("verb", main.VERBS)
def test_every_verb_has_help_with_an_example(capsys, verb):
    assert main.run([verb, "--help"]) == main.OK
    shown = capsys.readouterr().out
    assert "example:" in shown
    assert f"atoll {verb}" in shown.split("example:")[1]
    # Names keep their capitals: MQTT, Raspberry Pi.
    assert main.VERBS[verb][1][1:] in " ".join(shown.split())


@pytest.mark.parametrize(
    "verb", sorted(main.VERBS.keys() - {"gateway", "device", "demo", "emulate", "flash", "serial"})
)
def test_every_listing_and_order_has_json(capsys, verb):
    main.run([verb, "--help"])
    assert "--json" in capsys.readouterr().out


def test_a_device_loads_no_client_and_no_numpy(tmp_path):
    found = modules_after("device", cwd=tmp_path)
    heavy = {"numpy", "json", "asyncio", "dataclasses", "inspect", "logging", "ctypes", "wave"}
    assert not heavy & found
    ours = {name for name in found if name.startswith("atoll.")}
    assert ours == {"atoll.cli", "atoll.cli.main", "atoll.cli.device"}


@pytest.mark.parametrize("verb", ["put", "run", "devices", "status", "start"])
def test_no_verb_loads_what_it_may_not_need(tmp_path, verb):
    assert not {"numpy", "atoll.runtime", "sqlite3", "ctypes"} & modules_after(verb, cwd=tmp_path)


def test_a_defect_is_one_line_unless_asked_for_more(monkeypatch, capsys):
    def broken(options):
        raise KeyError("nobody thought of this")

    monkeypatch.setattr("atoll.cli.kernels.run", broken)
    monkeypatch.delenv("ATOLL_DEBUG", raising=False)
    assert main.run(["kernels"]) == main.FAILED
    shown = capsys.readouterr().err
    assert shown.startswith("atoll: internal error: KeyError")
    assert shown.count("\n") == 1
    monkeypatch.setenv("ATOLL_DEBUG", "1")
    with pytest.raises(KeyError):
        main.run(["kernels"])


def test_a_missing_package_is_named(monkeypatch, capsys):
    def lacking(options):
        raise ImportError("no", name="cbor2")

    monkeypatch.setattr("atoll.cli.kernels.run", lacking)
    assert main.run(["kernels"]) == main.FAILED
    assert "'cbor2' is missing; atoll doctor" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    words = [sys.executable, "-P", "-m", "atoll.cli", "kernels"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.broker
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_waiting_command(scripted, tmp_path, number, code):
    import threading

    asked = threading.Event()

    def silent(message):
        asked.set()
        return []

    scripted.answers = silent
    words = [sys.executable, "-P", "-m", "atoll.cli", "status"]
    words += ["--broker", scripted.url, "--site", scripted.topics.site]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        assert asked.wait(20)
        started_s = time.monotonic()
        process.send_signal(number)
        _, shown = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == code
    assert "Traceback" not in shown
    assert time.monotonic() - started_s < 3
