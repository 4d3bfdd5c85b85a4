"""How a device gets into a site with passwords: a one-time token first, its own secret for ever
after.

The secret is 256 random bits, made here, kept in the store (mode 0600) and never sent; the gateway
gets its verifier (`messages.Credential`) and puts it in the token's place. With the token as
password a device may only talk on its lease topics, so a join is a short session of its own beside
the link, which is refused until the gateway has acted.
"""

import os
from collections.abc import Callable

from atoll.runtime.errors import StoreError
from atoll.runtime.files import Files
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Session
from atoll.transport.url import Broker
from atoll.wire.codec import encode
from atoll.wire.credential import SALT_BYTES, SECRET_BYTES, make_verifier
from atoll.wire.messages import Credential
from atoll.wire.topics import Topics

# What brokers of either MQTT version say of a wrong password.
_REFUSALS = ("not authori", "user name or password")
# The gateway has this long to take the verifier before the next attempt.
PATIENCE_S = 5.0
TOKEN_REFUSED = "the token is refused: it was used or has run out (`atoll enroll` makes one)"


def check_private(root: str) -> None:
    """Raises `StoreError` if others could have read the secret."""
    path = f"{root}/secret"
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    if mode & 0o077:
        raise StoreError(f"{path} is open to others: chmod it to 600, or enroll anew")


def read_secret(root: str, files: Files) -> str:
    """The secret of an earlier join; empty if there was none."""
    path = f"{root}/secret"
    try:
        handle = files.open(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from None
    try:
        return files.read(handle, 256, 0).decode("ascii", "replace").strip()
    finally:
        files.close(handle)


def make_secret(root: str, files: Files) -> str:
    """A new secret, on disk before it is used: under a name that a power cut cannot take back."""
    secret = os.urandom(SECRET_BYTES).hex()
    path = f"{root}/secret"
    fresh = f"{path}.new"
    if "secret.new" in files.names(root):
        files.remove(fresh)
    handle = files.open(fresh, create=True)
    try:
        files.append(handle, (secret.encode(),))
        files.sync(handle)
    finally:
        files.close(handle)
    files.rename(fresh, path)
    files.sync_directory(root)
    return secret


def is_refusal(reason: str) -> bool:
    """Whether a broker gave this reason for a wrong or unknown password."""
    return any(words in reason.lower() for words in _REFUSALS)


class Joiner:
    """Sends the verifier of `secret` in a session opened by `token`, whenever the secret is
    refused.
    """

    def __init__(self, loop: Loop, topics: Topics, device: str, token: str, secret: str) -> None:
        self._loop = loop
        self._topics = topics
        self._device = device
        self._token = token
        self._secret = secret
        self._link: Link | None = None
        self._accepted = False  # the token was, in this join
        self.say: Callable[[str], None] = lambda line: None
        self.on_token_refused: Callable[[str], None] = self._say_it

    def refused(self, broker: Broker, reason: str, boot: int) -> None:
        """The broker did not take the secret: join, unless a join is under way."""
        if self._link is not None or not is_refusal(reason):
            return
        self.say("joining by token")
        by_token = broker._replace(username=self._device, password=self._token)
        link = self._link = Link(self._loop, [by_token], Session(f"{self._device}-join"))
        credential = Credential(boot, 0, 0, make_verifier(self._secret, os.urandom(SALT_BYTES)))
        topic = self._topics.up(self._device, "lease")
        self._accepted = False
        link.on_up = self._token_accepted
        link.on_down = self._failed
        link.publish(topic, encode(credential), purpose="lease")
        link.start()
        self._loop.call_later(PATIENCE_S, self._end)

    def _token_accepted(self) -> None:
        self._accepted = True

    def _failed(self, reason: str) -> None:
        """The session ended. A token that was taken before has now been exchanged: the broker ends
        its session as it reads the passwords anew, and that is no news to anybody.
        """
        if not is_refusal(reason):
            return
        if not self._accepted:
            self.on_token_refused(TOKEN_REFUSED)
        self._end()

    def _say_it(self, line: str) -> None:
        self.say(line)

    def _end(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
