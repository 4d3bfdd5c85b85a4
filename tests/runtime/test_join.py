import os
import signal

import pytest
from device_rig import MOSQUITTO, Broker, Device, Gateway

from atoll.runtime import join
from atoll.runtime.errors import StoreError
from atoll.runtime.files import SystemFiles
from atoll.runtime.join import check_private, is_refusal, make_secret, read_secret
from atoll.transport import url
from atoll.transport.loop import Loop
from atoll.wire import messages
from atoll.wire.credential import make_verifier, matches_verifier
from atoll.wire.topics import Topics

FILES = SystemFiles()


def test_the_secret_is_kept_and_private(tmp_path):
    root = str(tmp_path)
    assert read_secret(root, FILES) == ""
    check_private(root)
    secret = make_secret(root, FILES)
    assert len(bytes.fromhex(secret)) == 32
    assert read_secret(root, FILES) == secret
    check_private(root)
    assert os.stat(tmp_path / "secret").st_mode & 0o777 == 0o600
    os.chmod(tmp_path / "secret", 0o640)
    with pytest.raises(StoreError, match="open to others"):
        check_private(root)


def test_refusals_of_either_protocol():
    assert is_refusal("mqtt://h:1: Not authorized")
    assert is_refusal("mqtt://h:1: Connection Refused: bad user name or password.")
    assert is_refusal("mqtt://h:1: Connection Refused: not authorised.")
    assert not is_refusal("mqtt://h:1: Connection refused")


class Dialled:
    """A link that the test accepts and refuses by hand."""

    def __init__(self, *_):
        self.closed = False

    def publish(self, *_, **__):
        pass

    def start(self):
        pass

    def close(self):
        self.closed = True


@pytest.mark.parametrize("accepted", [False, True])
def test_only_a_token_that_was_never_taken_is_complained_of(monkeypatch, accepted):
    """Once it is exchanged the broker throws the token's session out, which is as it should be."""
    links, said = [], []
    monkeypatch.setattr(join, "Link", lambda *words: links.append(Dialled(*words)) or links[-1])
    joiner = join.Joiner(Loop(), Topics("test"), "pi", "one-time", "secret")
    joiner.say = said.append
    joiner.refused(url.Broker("h", 1), "mqtt://h:1: Not authorized", 1)
    if accepted:
        links[0].on_up()
    links[0].on_down("mqtt://h:1: Not authorized")
    assert links[0].closed
    assert ["token is refused" in line for line in said] == [False] + [True] * (not accepted)


@pytest.mark.broker
@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
def test_a_token_is_exchanged_for_a_secret(tmp_path):
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    pending = "user pi\ntopic write atoll/v1/test/device/pi/up/lease\n"
    full = "user pi\ntopic write atoll/v1/test/device/pi/up/#\n"
    full += "topic read atoll/v1/test/device/pi/down/#\n"
    everything = "user gateway\ntopic readwrite #\n"

    def write(verifier, rights):
        gateway = make_verifier("gateway's", bytes(12))
        passwords.write_text(f"gateway:{gateway}\npi:{verifier}\n")
        acl.write_text(everything + rights)

    write(make_verifier("one-time", bytes(12)), pending)
    for path in (passwords, acl, tmp_path):
        path.chmod(0o755)
    broker = Broker(
        tmp_path, f"password_file {passwords}\nacl_file {acl}\nallow_anonymous false\nuser root\n"
    )
    device = Device("pi", tmp_path / "store", broker.url, token="one-time")
    gateway = Gateway(broker.url, "pi", password="gateway's")
    try:
        credential = gateway.take(messages.Credential)
        secret = (tmp_path / "store" / "secret").read_text()
        assert matches_verifier(secret, credential.verifier)
        write(credential.verifier, full)
        os.kill(broker.process.pid, signal.SIGHUP)
        gateway.wait_ready()
        assert "pi: joining by token" in device.lines
        assert not [line for line in device.lines if "token is refused" in line]
        device.terminate()
        device = Device("pi", tmp_path / "store", broker.url)  # needs no token any more
        gateway.until(lambda: gateway.birth.boot == 2 and gateway.statuses[-1] == "ready")
    finally:
        gateway.close()
        device.kill()
        broker.stop()
