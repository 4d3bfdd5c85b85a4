"""`atoll gateway`: configuration, broker, ledger, core and shell put together, and their end."""

import argparse
import os
import signal
import sys
from typing import Any

from atoll.gateway.broker import KINDS, BrokerChild
from atoll.gateway.brought import own_address, own_broker
from atoll.gateway.config import Config, load
from atoll.gateway.core import GatewayCore, Options
from atoll.gateway.enrolment import GATEWAY, Enrolment
from atoll.gateway.errors import GatewayError
from atoll.gateway.ledger import Ledger
from atoll.gateway.profiles import PROFILES
from atoll.gateway.shell import Shell, say
from atoll.transport.link import Link
from atoll.transport.loop import Loop
from atoll.transport.port import Session, Will
from atoll.transport.url import Broker
from atoll.wire.status import Status, encode_status
from atoll.wire.topics import Topics

OK, FAILED, UNREACHABLE = 0, 1, 4
# A broker that does not answer within this at the start is a wrong address; later it is waited for.
FIRST_CONNECTION_S = 15.0
EXPIRE_S = 600.0  # how often enrolment tokens are looked through
STOP_S = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--config", metavar="FILE", help="TOML file; docs/gateway.md has its keys")
    parser.add_argument(
        "--broker", metavar="URL", help="use this broker and bring none (ATOLL_BROKER)"
    )
    parser.add_argument("--state", metavar="DIR", help="where the ledger and the own broker live")
    parser.add_argument("--site", help="name of the site (ATOLL_SITE; home)")
    parser.add_argument("--listen", metavar="ADDR", help="address of the own broker (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port of the own broker (1883, else a free one)")
    parser.add_argument("--broker-kind", choices=KINDS, help="own broker (auto)")
    parser.add_argument(
        "--audit",
        type=float,
        metavar="PERCENT",
        help="tasks that a second replica computes, too (1)",
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), help="timing of devices (normal)")
    parser.epilog = "example:\n  atoll gateway --state ./state --site demo"


def run_gateway(options: Any) -> int:
    """Run a gateway until SIGTERM or SIGINT; the exit code. GatewayError is one line on stderr."""
    try:
        return _Gateway(load(options)).run()
    except GatewayError as error:
        print(f"atoll gateway: {error}", file=sys.stderr)
        return FAILED


run = run_gateway


class _Gateway:
    """The process: what is open, in the order in which it is closed again."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._topics = Topics(config.site)
        self._code = OK

    def run(self) -> int:
        config = self._config
        # The ledger's lock first: a second gateway must not touch the first one's broker.
        ledger = Ledger(config.state)
        child: BrokerChild | None = None
        try:
            enrolment = Enrolment(config.state / "access", config.site)
            brokers, kind = config.brokers, "external broker"
            if not brokers:
                child = own_broker(config, enrolment)
                kind = f"own {child.kind}"
                brokers = [own_address(child, enrolment)]
            self._serve(ledger, brokers, child, enrolment, kind)
        finally:
            if child is not None:
                child.stop()
            ledger.close()
        return self._code

    def _serve(
        self,
        ledger: Ledger,
        brokers: list[Broker],
        child: BrokerChild | None,
        enrolment: Enrolment,
        kind: str,
    ) -> None:
        config, loop = self._config, Loop()
        core = GatewayCore(
            Options(
                config.site,
                PROFILES[config.profile],
                receipts(),
                int.from_bytes(os.urandom(4), "little"),
                config.audit / 100,
            )
        )
        first = core.restore(ledger.load(), loop.now(), _wall_ms())
        will = Will(
            self._topics.gateway_status, encode_status(Status("lost", core.term, core.epoch))
        )
        name = GATEWAY if brokers[0].username == GATEWAY else f"atoll-gateway-{config.site}"
        link = Link(loop, brokers, Session(name, will))
        shell = Shell(loop, link, core, ledger, topics=self._topics, say=say)
        if child is not None:
            shell.enrolment = enrolment
            shell.access_changed = child.reload
            child.watch(loop, say)
            self._expire_tokens(loop, enrolment, child)
        else:
            loop.call_later(FIRST_CONNECTION_S, self._check_connected, loop, shell, brokers)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.on_signal(number, lambda _: self._stop(loop, shell))
        say(
            f"atoll gateway: site {config.site}, term {core.term}, {kind}"
            f" {brokers[0].url}, state {config.state}"
        )
        shell.start(first)
        try:
            loop.run()
        finally:
            if child is not None:
                child.stop()  # while it can still be unwatched
            loop.close()
        if shell.error is not None:
            raise shell.error

    def _stop(self, loop: Loop, shell: Shell) -> None:
        loop.call_later(STOP_S, loop.stop)
        shell.stop(loop.stop)

    def _check_connected(self, loop: Loop, shell: Shell, brokers: list[Broker]) -> None:
        if not shell.was_up:
            urls = ", ".join(broker.url for broker in brokers)
            print(f"atoll gateway: no broker answers at {urls}", file=sys.stderr)
            self._code = UNREACHABLE
            loop.stop()

    def _expire_tokens(self, loop: Loop, enrolment: Enrolment, child: BrokerChild) -> None:
        if enrolment.exists and enrolment.expire(_wall_ms()):
            child.reload()
        loop.call_later(EXPIRE_S, self._expire_tokens, loop, enrolment, child)


def receipts() -> dict[str, str]:
    """This machine's own receipts, kernel name to hash in hex."""
    from atoll.kernels import receipts as compute

    return {kernel: digest.hex() for kernel, digest in compute().items()}


def _wall_ms() -> int:
    import time

    return int(time.time() * 1000)
