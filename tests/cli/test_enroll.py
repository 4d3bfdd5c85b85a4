import json

import pytest


def test_a_token_a_password_and_their_end(atoll, tmp_path):
    state = ("--state", tmp_path / "state", "--json")
    token = json.loads(atoll("enroll", "pi-1", *state).stdout)
    assert token["id"] == "pi-1"
    assert len(token["token"]) == 32
    again = json.loads(atoll("enroll", "pi-1", *state).stdout)
    assert again["token"] != token["token"]
    assert json.loads(atoll("enroll", "alice", "--client", *state).stdout)["password"]
    assert "already" in atoll("enroll", "alice", *state, code=1).stderr
    assert json.loads(atoll("enroll", "site-b", "--gateway", *state).stdout)["password"]
    assert "already" in atoll("enroll", "site-b", "--client", *state, code=1).stderr
    assert json.loads(atoll("enroll", "alice", "--forget", *state).stdout)["forgotten"] is True
    assert "not enrolled" in atoll("enroll", "alice", "--forget", *state, code=1).stderr


@pytest.mark.parametrize("name", ["a/b", "", "gateway", "x" * 65])
def test_names_that_cannot_be(atoll, tmp_path, name):
    done = atoll("enroll", name, "--state", tmp_path / "state", code=1)
    assert done.stderr.count("\n") == 1


def test_secrets_are_shown_once_and_kept_nowhere(atoll, tmp_path):
    shown = atoll("enroll", "pi-1", "--state", tmp_path / "state").stdout
    token = shown.splitlines()[1].strip()
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert files
    assert not any(token.encode() in path.read_bytes() for path in files)
