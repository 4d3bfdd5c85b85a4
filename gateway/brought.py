"""The gateway's own broker as a configuration wants it, for whoever runs in the gateway's place."""

from atoll.gateway.broker import BrokerChild
from atoll.gateway.config import Config
from atoll.gateway.enrolment import GATEWAY, Enrolment, check_listen
from atoll.transport.url import Broker


def own_broker(config: Config, enrolment: Enrolment) -> BrokerChild:
    """Start the broker; who must stop it has it back. Raises GatewayError."""
    check_listen(config.listen, enrolment)
    if enrolment.exists:
        enrolment.gateway_secret()
        enrolment.refresh()
    child = BrokerChild(
        config.state / "broker",
        kind=config.broker_kind,
        listen=config.listen,
        port=config.port,
        access=enrolment.access if enrolment.exists else None,
    )
    child.start()
    return child


def own_address(child: BrokerChild, enrolment: Enrolment) -> Broker:
    """Where it is reached from here, as the gateway."""
    if enrolment.exists:
        return Broker(child.host, child.port, GATEWAY, enrolment.gateway_secret())
    return Broker(child.host, child.port)
