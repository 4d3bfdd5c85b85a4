"""`atoll gateway`: configuration, broker, ledger, core and shell put together, and their end."""

import argparse
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from atoll.gateway.broker import KINDS, BrokerChild
from atoll.gateway.brought import own_address, own_broker
from atoll.gateway.config import Config, load
from atoll.gateway.core import GatewayCore, Options, next_term
from atoll.gateway.enrolment import Enrolment
from atoll.gateway.errors import GatewayError
from atoll.gateway.feed import Feed
from atoll.gateway.feeder import Feeder
from atoll.gateway.lead import NOBODY, Register
from atoll.gateway.ledger import VERSION, Ledger
from atoll.gateway.pairing import Place
from atoll.gateway.private import write_private
from atoll.gateway.profiles import PROFILES
from atoll.gateway.shell import Shell, say
from atoll.gateway.standby import Purpose, Standby, ours_of
from atoll.gateway.standby_shell import StandbyShell
from atoll.transport.link import Link, refusals_to
from atoll.transport.loop import Loop
from atoll.transport.notify import from_environment
from atoll.transport.port import Session, Will
from atoll.transport.url import Broker
from atoll.wire.gateways import Lead
from atoll.wire.status import Status, encode_status
from atoll.wire.topics import Topics, is_name

OK, FAILED, UNREACHABLE = 0, 1, 4
# A broker that does not answer within this at the start is a wrong address; later it is waited for.
FIRST_CONNECTION_S = 15.0
EXPIRE_S = 600.0  # how often enrolment tokens are looked through
STOP_S = 3.0
# Messages under way: at a round trip of 20 ms, 25,000 a second.
WINDOW = 512
RETRY_S = 1.0  # a standby whose disk is full tries again after this


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--config", metavar="FILE", help="TOML file; docs/gateway.md has its keys")
    parser.add_argument(
        "--broker", metavar="URL", help="use this broker and bring none (ATOLL_BROKER)"
    )
    parser.add_argument(
        "--standby",
        action="store_true",
        default=None,
        help="stand by for the gateway that leads on the same broker, and take over from it",
    )
    parser.add_argument(
        "--alone",
        action="store_true",
        help="lead although another gateway, which is gone, may know more than this one",
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
    parser.epilog = (
        "example:\n  atoll gateway --state ./state --site demo\n"
        "  atoll gateway --state ./state-b --broker mqtt://192.168.1.5 --standby"
    )


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
        self._stopped = self._was_up = False
        self._notifier = from_environment()

    def run(self) -> int:
        config = self._config
        # The ledger's lock first: a second gateway must not touch the first one's broker.
        ledger = Ledger(config.state)
        child: BrokerChild | None = None
        try:
            enrolment = Enrolment(config.state / "access", config.site)
            brokers = config.brokers
            if not brokers:
                child = own_broker(config, enrolment)
                kind = f"own {child.kind}"
                brokers = [own_address(child, enrolment)]
                self._serve(ledger, brokers, child, enrolment, kind)
            else:
                self._serve_in_turn(ledger, brokers, enrolment)
        finally:
            if child is not None:
                child.stop()
            ledger.close()
        return self._code

    def _serve_in_turn(self, ledger: Ledger, brokers: list[Broker], enrolment: Enrolment) -> None:
        """Lead, or follow who leads, until stopped."""
        register = Register(gateway_name(self._config.state))
        purpose = Purpose(lead=not self._config.standby, alone=self._config.alone)
        while not self._stopped:
            lead = self._stand_by(ledger, brokers, register, purpose)
            if lead is not None:
                self._serve(ledger, brokers, None, enrolment, "external broker", (register, lead))
                purpose = Purpose(lead=not self._config.standby)

    def _stand_by(
        self, ledger: Ledger, brokers: list[Broker], register: Register, purpose: Purpose
    ) -> Lead | None:
        """Follow until it is this gateway's turn to lead; None: stopped, or to begin again."""
        loop, config = Loop(), self._config
        settings = ledger.settings()
        term = next_term(settings.get("term", 0), _wall_ms()) - 1
        ours = ours_of(settings, register.name, term)
        core = Standby(register, purpose, ours, VERSION, _wall_ms())
        link = Link(loop, brokers, Session(_client_id(brokers, register.name)))
        link.on_subscribed = refusals_to(say)
        shell = StandbyShell(
            loop, link, core, ledger, topics=self._topics, say=say, ended=loop.stop
        )
        if not self._was_up:
            loop.call_later(FIRST_CONNECTION_S, self._check_connected, loop, shell, brokers)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.on_signal(number, lambda _: self._stop(loop, shell))
        if config.standby:
            say(
                f"atoll gateway: site {config.site}, standby {register.name},"
                f" external broker {brokers[0].url}, state {config.state}"
            )
        shell.start()
        self._notifier.ready(loop, f"follows who leads site {config.site}")
        try:
            loop.run()
        finally:
            loop.close()
        self._was_up = self._was_up or shell.was_up
        if shell.error is not None:
            raise shell.error
        if shell.lead is None and not self._stopped:
            time.sleep(RETRY_S)  # the disk was full
        return shell.lead

    def _serve(
        self,
        ledger: Ledger,
        brokers: list[Broker],
        child: BrokerChild | None,
        enrolment: Enrolment,
        kind: str,
        turn: tuple[Register, Lead] | None = None,
    ) -> None:
        """Lead until stopped, or replaced; `turn`: by which of the register's."""
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
        lead = turn[1] if turn else NOBODY
        first = core.restore(
            ledger.load(), loop.now(), _wall_ms(), term_least=lead.term, turn=lead.turn
        )
        will = Will(
            self._topics.gateway_status, encode_status(Status("lost", core.term, core.epoch))
        )
        own = turn[0].name if turn else f"gateway-{config.site}"
        link = Link(loop, brokers, Session(_client_id(brokers, own), will), window=WINDOW)
        link.on_subscribed = refusals_to(say)
        feeder = self._feeder(loop, ledger, *turn) if turn else None
        shell = Shell(loop, link, core, ledger, topics=self._topics, say=say, feeder=feeder)
        if child is not None:
            shell.enrolment = enrolment
            shell.access_changed = child.reload
            child.watch(loop, say)
            self._expire_tokens(loop, enrolment, child)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.on_signal(number, lambda _: self._stop(loop, shell))
        say(
            f"atoll gateway: site {config.site}, term {core.term}, {kind}"
            f" {brokers[0].url}, state {config.state}"
        )
        shell.start(first)
        self._notifier.ready(loop, f"leads site {config.site}, term {core.term}")
        try:
            loop.run()
        finally:
            if child is not None:
                child.stop()  # while it can still be unwatched
            loop.close()
        if shell.error is not None:
            raise shell.error
        if shell.replaced is not None:
            say(
                f"gateway {shell.replaced.leader} has taken over under term {shell.replaced.term}:"
                " this one stands by"
            )

    def _feeder(self, loop: Loop, ledger: Ledger, register: Register, lead: Lead) -> Feeder:
        register.adopt(lead)
        settings = ledger.settings()
        place = None
        if "place" in settings:
            place = Place(settings["place"], settings["place_term"])
        return Feeder(loop, ledger, Feed(register, lead.term, place, VERSION), self._topics)

    def _stop(self, loop: Loop, shell: Shell | StandbyShell) -> None:
        self._stopped = True
        self._notifier.stopping()
        loop.call_later(STOP_S, loop.stop)
        shell.stop(loop.stop)

    def _check_connected(self, loop: Loop, shell: StandbyShell, brokers: list[Broker]) -> None:
        if not shell.was_up:
            self._stopped = True
            urls = ", ".join(broker.url for broker in brokers)
            print(f"atoll gateway: no broker answers at {urls}", file=sys.stderr)
            self._code = UNREACHABLE
            loop.stop()

    def _expire_tokens(self, loop: Loop, enrolment: Enrolment, child: BrokerChild) -> None:
        if enrolment.exists and enrolment.expire(_wall_ms()):
            child.reload()
        loop.call_later(EXPIRE_S, self._expire_tokens, loop, enrolment, child)


def _client_id(brokers: list[Broker], name: str) -> str:
    """A broker with access lists gives a client the topics of its user name."""
    return brokers[0].username or f"atoll-{name}"


def gateway_name(state: Path) -> str:
    """A gateway's own name, by which its standby knows it: made once, kept beside the ledger."""
    path = state / "name"
    try:
        name = path.read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        name = ""
    if not is_name(name):
        host = "".join(c for c in socket.gethostname() if is_name(c))[:32] or "gateway"
        name = f"{host}-{os.urandom(3).hex()}"
        write_private(path, f"{name}\n".encode())
    return name


def receipts() -> dict[str, str]:
    """This machine's own receipts, kernel name to hash in hex."""
    from atoll.kernels import receipts as compute

    return {kernel: digest.hex() for kernel, digest in compute().items()}


def _wall_ms() -> int:
    return int(time.time() * 1000)
