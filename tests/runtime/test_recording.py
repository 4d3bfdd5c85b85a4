from array import array

import pytest

from atoll.runtime.errors import UsageError
from atoll.runtime.recording import Recording, header_members

HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"


def npy(path, *, descr="<i2", shape="(4,)", data=bytes(8), version=1, header=None):
    text = (header or HEADER.format(descr, shape)).encode()
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + size + text + data)
    return str(path)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("descr", "dtype", "code"), [("<i2", "i16", "h"), ("<i4", "i32", "i"), ("<f4", "f32", "f")]
)
def test_npy(tmp_path, descr, dtype, code, version):
    samples = array(code, range(100))
    path = npy(
        tmp_path / "a.npy", descr=descr, shape="(100,)", data=samples.tobytes(), version=version
    )
    one = Recording(path)
    assert (one.dtype, one.samples) == (dtype, 100)
    assert one.read(10, 5) == samples[10:15].tobytes()
    assert one.read(98, 50) == samples[98:].tobytes()
    assert one.read(100, 1) == b""
    one.close()


def test_numpys_own_files(tmp_path):
    numpy = pytest.importorskip("numpy")
    for dtype in ("int16", "int32", "float32"):
        numpy.save(tmp_path / "a.npy", numpy.arange(50, dtype=dtype))
        one = Recording(str(tmp_path / "a.npy"))
        assert one.read(0, 50) == numpy.arange(50, dtype=dtype).tobytes()
    numpy.save(tmp_path / "a.npy", numpy.zeros(5))
    with pytest.raises(UsageError, match="<f8; int16, int32 or float32"):
        Recording(str(tmp_path / "a.npy"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": bytes(7)}, "torn: 7 of 8 bytes"),
        ({"descr": ">i2"}, "samples are >i2"),
        ({"shape": "(2, 2)"}, "one dimension"),
        ({"shape": "()"}, "one dimension"),
        ({"shape": "(99999999999999999999,)"}, "one dimension"),
        ({"shape": "(0,)", "data": b""}, "empty"),
        ({"version": 9}, "version 9"),
        ({"header": "x" * 20_000}, "overlong"),
        ({"header": "nonsense"}, "unknown type"),
    ],
)
def test_npy_files_that_are_none(tmp_path, change, words):
    with pytest.raises(UsageError, match=words):
        Recording(npy(tmp_path / "a.npy", **change))


def test_every_torn_npy_is_refused(tmp_path):
    whole = (tmp_path / "a.npy", npy(tmp_path / "a.npy"))[0].read_bytes()
    for size in range(len(whole)):
        (tmp_path / "a.npy").write_bytes(whole[:size])
        with pytest.raises(UsageError):
            Recording(str(tmp_path / "a.npy"))


@pytest.mark.parametrize(
    ("text", "dtype", "wanted"),
    [
        ("1\n-2\n\n3\n", "i32", array("i", [1, -2, 3])),
        ("time,value\n0,1.5\n1,-2e3\n", "f32", array("f", [1.5, -2e3])),
        ("1;2\n3;4\n", "i32", array("i", [2, 4])),
        ("3000000000\n", "f32", array("f", [3e9])),
    ],
)
def test_csv(tmp_path, text, dtype, wanted):
    (tmp_path / "a.csv").write_text(text)
    one = Recording(str(tmp_path / "a.csv"))
    assert (one.dtype, one.read(0, 99)) == (dtype, wanted.tobytes())


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "value\n1\ntwo\n", "line 3: 'two' is no number"),
        ("a.csv", "value\n", "empty"),
        ("a.csv", "1e300\n", "does not fit"),
        ("a.txt", "1\n", "not .txt"),
        ("a", "1\n", "no suffix"),
    ],
)
def test_what_is_no_recording(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=words):
        Recording(str(tmp_path / name))
    with pytest.raises(UsageError, match="No such file"):
        Recording(str(tmp_path / "gone.npy"))


def test_headers():
    text = "{'descr': '<i2', 'fortran_order': False, 'shape': (9,), }   \n"
    assert header_members(text) == {"descr": "<i2", "fortran_order": "False", "shape": "(9,)"}
    assert header_members("") == {}
