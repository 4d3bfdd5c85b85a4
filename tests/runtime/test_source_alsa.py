from struct import unpack

import pytest
from board_tree import Taken, await_true, lay_out

from atoll.runtime import source_flow
from atoll.runtime.errors import UsageError
from atoll.runtime.source_alsa import AlsaSource

CARDS = {"proc/asound/cards": " 0 [Device ]: USB-Audio - USB PnP Sound Device\n"}
# Says how it was called, then plays what is in `plays`, and goes on when it has played it.
ARECORD = """#!/bin/sh
echo "$@" > {folder}/called
cat {folder}/plays
if [ -e {folder}/ends ]; then echo "audio open error: No such device" >&2; exit 1; fi
if [ -e {folder}/overruns ]; then echo "overrun!!! (at least 12.3 ms long)" >&2; fi
exec cat {folder}/more
"""


@pytest.fixture
def card(tmp_path, monkeypatch):
    """A board with a card, and an arecord; the pipe `more` is what it plays next."""
    import os

    program = tmp_path / "bin/arecord"
    lay_out(tmp_path, CARDS | {"bin/arecord": ARECORD.format(folder=tmp_path), "plays": ""})
    program.chmod(0o755)
    os.mkfifo(tmp_path / "more")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr(source_flow, "RETRY_S", 0.01)
    return tmp_path


def test_two_channels_are_two_streams(card):
    (card / "plays").write_bytes(bytes.fromhex("0100 ff7f 0200 0080 0300"))
    source = AlsaSource("motor", "plughw:1,0@16000hz,channels=2", "pi", root=str(card))
    assert [info[1:] for info in source.streams] == [
        ("pi/left", "i16", 1, 16_000.0, 1 / 32_768, "FS"),
        ("pi/right", "i16", 1, 16_000.0, 1 / 32_768, "FS"),
    ]
    with Taken(source) as taken:
        first = taken.next()
        (card / "more").write_bytes(bytes.fromhex("0400 0500"))
        second = taken.next()
    assert [unpack("<2h", data) for _, data in first.samples] == [(1, 2), (32_767, -32_768)]
    # The odd sample of the first read belongs to the first frame of the second.
    assert [unpack("<h", data) for _, data in second.samples] == [(3,), (4,)]
    called = (card / "called").read_text()
    assert called == "-q -t raw -f S16_LE -D plughw:1,0 -r 16000 -c 2\n"


def test_an_overrun_is_a_gap(card):
    (card / "plays").write_bytes(bytes(2))
    (card / "overruns").touch()
    source = AlsaSource("motor", "hw:1@8000hz", "pi", root=str(card))
    with Taken(source) as taken:
        first = taken.next()
        (card / "more").write_bytes(bytes(4))
        second = taken.next()
    assert (first.gap, second.gap or first.gap, source.missed) == (first.gap, True, 1)


def test_a_microphone_that_was_unplugged_is_begun_again(card):
    (card / "plays").write_bytes(bytes(4))
    (card / "ends").touch()
    source = AlsaSource("motor", "hw:1,format=s32", "pi", root=str(card))
    with Taken(source) as taken:
        assert not taken.next().gap
        await_true(lambda: source.trouble.endswith("it ended: audio open error: No such device"))
        assert taken.next().gap
    assert "-f S32_LE -D hw:1 -r 48000 -c 1" in (card / "called").read_text()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("hw:1,channels=9", "channels=9 is no number from 1 to 8"),
        ("hw:1,format=float", "format=float is none of s16, s32"),
        ("hw:1@8000.5hz", "a whole number of Hz"),
        ("hw:1@400000hz", "at most 192000 Hz"),
        ("hw:1,0,1", "option '0'"),
    ],
)
def test_what_cannot_be_is_told(card, what, words):
    with pytest.raises(UsageError, match=words):
        AlsaSource("s", what, "pi", root=str(card))


def test_without_a_card_or_arecord(card, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"there is no sound card .*plug a USB microphone in"):
        AlsaSource("s", "hw:1", "pi", root=str(tmp_path / "gone"))
    lay_out(tmp_path, {"proc/asound/cards": "--- no soundcards ---\n"})
    with pytest.raises(UsageError, match="there is no sound card"):
        AlsaSource("s", "hw:1", "pi", root=str(tmp_path))
    lay_out(tmp_path, CARDS)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="arecord is missing: sudo apt install alsa-utils"):
        AlsaSource("s", "hw:1", "pi", root=str(tmp_path))
