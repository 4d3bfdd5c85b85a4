import pytest

from atoll.runtime.errors import UsageError
from atoll.runtime.source_spec import overlay, parse_spec

OPTIONS = ("baud", "columns", "buffer", "edge")


def test_words_are_taken_apart():
    spec = parse_spec("/dev/ttyACM0@50hz,baud=9600,columns=x+y,buffer", "scale", OPTIONS)
    assert (spec.head, spec.rate) == ("/dev/ttyACM0", "50hz")
    assert spec.options == {"baud": "9600", "columns": "x+y", "buffer": "yes"}
    assert spec.names("columns") == ["x", "y"]
    assert spec.number("baud", 115_200, 300, 4_000_000) == 9_600
    assert spec.number("other", 7, 0, 9) == 7
    assert spec.choice("edge", ("rising", "both")) == "rising"
    assert parse_spec("ads1015", "adc", OPTIONS)[:3] == ("adc", "ads1015", "")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("x,bauds=9600", "option 'bauds=9600': baud, columns, buffer, edge, each once"),
        ("x,baud=", "option 'baud='"),
        ("x,buffer,buffer", "each once"),
        ("@10hz", "no device is named"),
        ("", "no device is named"),
    ],
)
def test_what_cannot_be_is_told(what, words):
    with pytest.raises(UsageError, match=words):
        parse_spec(what, "scale", OPTIONS)


def test_values_out_of_their_bounds_are_told():
    spec = parse_spec("x,baud=9,edge=up,columns=1e3", "scale", OPTIONS)
    with pytest.raises(UsageError, match="source scale: baud=9 is no number from 300 to 1000"):
        spec.number("baud", 300, 300, 1_000)
    with pytest.raises(UsageError, match="columns=1e3 is no number"):
        spec.number("columns", 1, 1, 9)
    with pytest.raises(UsageError, match="edge=up is none of rising, both"):
        spec.choice("edge", ("rising", "both"))


@pytest.mark.parametrize(
    ("error", "group", "words"),
    [
        (PermissionError(13, "Permission denied", "/dev/x"), "gpio", "usermod -aG gpio USER"),
        (PermissionError(13, "Permission denied", "/dev/x"), "", "run as root, or let a udev rule"),
        (OSError(16, "busy", "/dev/x"), "gpio", "/dev/x is in use by another program"),
        (OSError(5, "Input/output error", "/dev/x"), "gpio", "/dev/x: Input/output error"),
    ],
)
def test_a_file_that_is_denied_says_what_would_help(error, group, words):
    assert words in str(parse_spec("x", "s", ()).denied(error, group))


def test_the_line_that_enables_a_device():
    assert overlay("dtoverlay=ads1015").endswith(
        "add dtoverlay=ads1015 to /boot/firmware/config.txt and restart"
    )
