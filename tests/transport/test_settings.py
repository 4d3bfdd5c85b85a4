"""Settings files: tables, additions in conf.d, and errors that name the file and what is right."""

import pytest

from atoll.transport.errors import SettingsError
from atoll.transport.settings import FILE_BYTES_MAX, FILES_MAX, read_settings

KINDS = {"site": str, "broker": str, "id": str, "capacity": float, "workers": int, "source": list}
KINDS |= {"shared_machine": bool}


@pytest.fixture
def written(tmp_path):
    """Write files below a folder; the first one's path."""

    def write(text, **additions):
        (tmp_path / "atoll.toml").write_text(text)
        for name, more in additions.items():
            (tmp_path / "conf.d").mkdir(exist_ok=True)
            (tmp_path / "conf.d" / f"{name}.toml").write_text(more)
        return tmp_path / "atoll.toml"

    return write


def test_a_table_each_and_what_both_share(written):
    path = written('site = "lab"\n[device]\nid = "a"\ncapacity = 2\n[gateway]\nport = 9')
    assert read_settings(path, "device", KINDS) == {"site": "lab", "id": "a", "capacity": 2.0}
    assert read_settings(path, "gateway", {"site": str, "port": int}) == {"site": "lab", "port": 9}


def test_without_a_table_all_is_the_readers(written):
    path = written('id = "a"\nsource = "cpu=proc:1hz"\nshared_machine = true')
    found = read_settings(path, "device", KINDS)
    assert found == {"id": "a", "source": ["cpu=proc:1hz"], "shared_machine": True}


def test_additions_win_key_by_key_in_the_order_of_their_names(written):
    path = written(
        '[device]\nid = "a"\nworkers = 1',
        b='[device]\nid = "c"',
        a='site = "s"\n[device]\nid = "b"\nsource = ["x", "y"]',
    )
    found = read_settings(path, "device", KINDS)
    assert found == {"id": "c", "workers": 1, "site": "s", "source": ["x", "y"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[device]\nidd = 1", "unknown key 'idd'; did you mean 'id'?"),
        ("[device]\ncolour = 1", "unknown key 'colour'; known: site, broker"),
        ("id = 'a'\n[device]", "unknown key 'id'; known: site, broker"),
        ("[device]\nid = 5", "id = 5, a text is wanted"),
        ("[device]\nworkers = 1.5", "workers = 1.5, a number is wanted"),
        ("[device]\nworkers = true", "workers = True, a number is wanted"),
        ("[device]\nsource = [1]", "source = [1], a list is wanted"),
        ("device = 1", "device is a table: [device]"),
        ("[device", "Expected"),
        ("#" * (FILE_BYTES_MAX + 1), "larger than 1,048,576 bytes"),
    ],
)
def test_what_cannot_be(written, text, said):
    path = written(text)
    with pytest.raises(SettingsError, match=r"^configuration .*atoll\.toml") as caught:
        read_settings(path, "device", KINDS)
    assert said in str(caught.value)


def test_files_that_cannot_be_read(written, tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        read_settings(tmp_path / "none.toml", "device", KINDS)
    path = written("", a="[device]\nid = 5")
    with pytest.raises(SettingsError, match=r"conf\.d/a\.toml: id = 5"):
        read_settings(path, "device", KINDS)
    (tmp_path / "conf.d" / "a.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"a\.toml"):
        read_settings(path, "device", KINDS)


def test_at_most_so_many_files(written):
    names = [f"n{number}" for number in range(FILES_MAX)]
    path = written("", **dict.fromkeys(names, ""))
    assert read_settings(path, "device", KINDS) == {}
    written("", one_more="")
    with pytest.raises(SettingsError, match="65 files, 64 at most"):
        read_settings(path, "device", KINDS)
