import io

from atoll.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_silent_without_a_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("put") as progress:
        progress(1, 2)
    assert stream.getvalue() == ""


def test_paints_and_wipes(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("put data", "B") as progress:
        progress(500_000, 1_000_000)
        progress(1_000_000, 1_000_000)
    text = stream.getvalue()
    assert "put data" in text
    assert " 50% 500.0k/1.0MB" in text
    assert "100%" in text
    assert text.endswith("\r\x1b[K")


def test_does_not_paint_at_every_call(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with Progress("run") as progress:
        for done in range(1000):
            progress(done, 100_000)
    assert stream.getvalue().count("run") < 20


def test_nothing_to_do_is_no_division_by_zero(monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    with Progress("run") as progress:
        progress(0, 0)
