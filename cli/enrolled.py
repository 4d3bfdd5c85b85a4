"""How a microcontroller gets a password: this machine exchanges its one-time token for it, and
writes it into the board's identity block.

The secret is made here, and the gateway gets its verifier alone, as with a device that joins by
itself (runtime/join.py). It is not printed, logged or kept.
"""

import os

from atoll.cli.firmware import FirmwareError
from atoll.transport.url import Broker

JOIN_S = 20.0


def secret_for(device: str, site: str, broker: Broker, token: str) -> str:
    """A new secret for the device, which its broker takes from now on; else FirmwareError."""
    from atoll.runtime.join import Joiner, is_refusal
    from atoll.transport.link import Link
    from atoll.transport.loop import Loop
    from atoll.transport.port import Session
    from atoll.wire.credential import SECRET_BYTES
    from atoll.wire.topics import Topics

    secret = os.urandom(SECRET_BYTES).hex()
    own = broker._replace(username=device, password=secret)
    loop = Loop()
    link = Link(loop, [own], Session(f"{device}-enroll"))
    joiner = Joiner(loop, Topics(site), device, token, secret)
    taken: list[bool] = []
    refusals: list[str] = []
    reasons = ["nobody answers"]
    joiner.on_token_refused = refusals.append

    def down(reason: str) -> None:
        reasons.append(reason)
        if is_refusal(reason):
            joiner.refused(own, reason, 1)

    link.on_up = lambda: taken.append(True)
    link.on_down = down
    try:
        link.start()
        loop.run_until(lambda: bool(taken or refusals), JOIN_S)
    finally:
        link.close()
        loop.close()
    if not taken:
        raise FirmwareError(f"{device} has no password: {(refusals or reasons)[-1]}")
    return secret
