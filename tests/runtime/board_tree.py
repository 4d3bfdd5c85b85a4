"""Boards laid out in a folder, as Linux shows them under /sys, /proc and /dev; samples awaited."""

import os
import pty
import queue
import time


def lay_out(root, files):
    """Write files by their paths; the root as text, as the runtime wants it."""
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return str(root)


class Taken:
    """What a source posts, to be awaited."""

    def __init__(self, source):
        self.source = source
        self._posted = queue.SimpleQueue()

    def __enter__(self):
        self.source.start(self._posted.put)
        return self

    def __exit__(self, *_):
        self.source.stop()

    def next(self):
        """The next that is posted."""
        return self._posted.get(timeout=30)


def await_true(claim):
    """Look until something is so; the test's own time-out is the end of patience."""
    ends = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.005)


class Line:
    """A serial line: a pseudo terminal behind a name that stays when its plug is pulled."""

    def __init__(self, folder):
        self.path = folder / "ttyFAKE"
        self.plug()

    def plug(self):
        self.ours, theirs = pty.openpty()
        self.name = os.ttyname(theirs)
        os.close(theirs)
        self.path.symlink_to(self.name)

    def pull(self):
        self.path.unlink()
        os.close(self.ours)

    def say(self, text):
        os.write(self.ours, text.encode())
