"""One MQTT connection by paho-mqtt, 1.6 or 2.x, driven from outside: no thread, no loop, no
reconnecting of its own.

paho's callbacks only note what happened in `events`; the caller takes it from there after each
`read`, `flush` or `tick`. So an exception that leaves paho is paho's (a broker that talks
nonsense), never the application's. What is published waits for `flush`.
"""

import socket
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from atoll.transport._stand_ins import import_paho_client
from atoll.transport.buffered import BufferedSocket
from atoll.transport.port import Session
from atoll.transport.url import Broker

if TYPE_CHECKING:
    from paho.mqtt import client as mqtt
else:
    mqtt = import_paho_client()

_T = TypeVar("_T")

MQTT5, MQTT311 = 5, 4
# CONNACK codes that mean "not this version of the protocol": of 3.1.1 and of 5.
_VERSION_CODES = (1, 0x84)
# The largest packet we take, said to a broker that speaks MQTT 5: the largest message with room for
# topic and properties.
_PACKET_BYTES_MAX = 65_536 + 4_096


class Connected(NamedTuple):
    """The broker accepted. `window`: unacknowledged messages that it takes."""

    window: int


class Rejected(NamedTuple):
    """The broker refused; `version`: it does not speak this version of MQTT."""

    reason: str
    version: bool


class Acknowledged(NamedTuple):
    """A QoS 1 message has reached the broker."""

    mid: int


class Received(NamedTuple):
    """A message."""

    topic: bytes
    payload: bytes
    retained: bool


class Subscribed(NamedTuple):
    """The broker's answer to a subscription."""

    mid: int
    granted: bool


Event = Connected | Rejected | Acknowledged | Received | Subscribed


class _Client(mqtt.Client):
    """paho's client over a socket that is connected already: resolving and connecting would hold
    the loop.
    """

    connected_socket: Any = None

    def _create_socket_connection(self) -> Any:
        return self.connected_socket


class Connection:
    """A connection from CONNECT to its end. All methods but `close` raise `ConnectionError` when it
    has ended.
    """

    def __init__(
        self, sock: socket.socket, broker: Broker, session: Session, protocol: int
    ) -> None:
        again: tuple[type[Exception], ...] = (BlockingIOError,)
        if broker.tls:
            import ssl

            mqtt.ssl = ssl  # type: ignore[attr-defined]  # paho may hold a stand-in, whose exceptions are others
            again += (ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self.events: deque[Event] = deque()
        self._said = False
        # Kept: paho may close the socket before we stop watching it.
        self.fd = sock.fileno()
        self._socket, self._buffered = sock, BufferedSocket(sock, again)
        self._client = client = _new_client(session.client_id, protocol)
        client.connected_socket = self._buffered
        # No bound: the window is the link's business, and below a bound paho looks at all messages
        # under way with each acknowledgement.
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        if broker.username:
            client.username_pw_set(broker.username, broker.password or None)
        if session.will:
            client.will_set(session.will.topic, session.will.payload, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_message = self._received
        client.on_subscribe = self._subscribed
        arguments: dict[str, Any] = {"keepalive": session.keepalive_s}
        if protocol == MQTT5:
            arguments |= {"clean_start": True, "properties": _connect_properties()}
        client.connect_async(broker.host, broker.port, **arguments)
        self._guard(client.reconnect)
        self.flush()

    @property
    def wants_write(self) -> bool:
        """Whether something waits for the socket."""
        return self._buffered.waiting

    @property
    def behind(self) -> bool:
        """Whether more has come in than the last `read` took."""
        return self._buffered.more

    def read(self) -> None:
        """Take what has come in, as much as a turn may, whole packets and a part of the next."""
        client, buffered = self._client, self._buffered
        # paho makes objects for whoever listens to it with every message of QoS 0 that it writes.
        # Acknowledgements, which matter, come in here only.
        client.on_publish = self._published
        while self._ask_socket(buffered.fill):
            while buffered.holds:
                self._guard(client.loop_read)
            if not buffered.hidden:
                break
        client.on_publish = None

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        self._ask_socket(self._buffered.flush)
        self._spoke()

    def _ask_socket(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except OSError as error:
            raise ConnectionError(error.strerror or str(error)) from error

    def _spoke(self) -> None:
        """Whatever was sent keeps the connection alive. paho counts its own pings alone, so that a
        device which speaks every two seconds would still ping every ten.
        """
        if self._said and not self._buffered.waiting:
            self._said = False
            self._client._last_msg_out = monotonic()

    def tick(self) -> None:
        """Keep alive: to be called a few times in each keep-alive interval."""
        self._guard(self._client.loop_misc)
        if self._client.socket() is None:  # closed over a ping that was not answered
            raise ConnectionError("keep-alive: the broker does not answer")

    def subscribe(self, pattern: str) -> int:
        """Ask for topics at QoS 1; the request's number."""
        code, mid = self._client.subscribe(pattern, 1)
        if code:
            raise ConnectionError(mqtt.error_string(code))
        return int(mid or 0)

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> int:
        """Send a message; its number, which `Acknowledged` repeats."""
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc:
            raise ConnectionError(mqtt.error_string(info.rc))
        self._said = True
        return int(info.mid)

    def disconnect(self) -> None:
        """Say goodbye: the broker drops the will."""
        self._client.disconnect()

    def close(self) -> None:
        """Drop the connection as it is."""
        self._client.on_connect = self._client.on_publish = None
        self._client.on_message = self._client.on_subscribe = None
        self._socket.close()

    def _guard(self, call: Any) -> None:
        try:
            code = call()
        except Exception as error:
            # struct.error, UnicodeError, paho's own: the peer sent what no broker sends.
            raise ConnectionError(f"the broker is not understood: {error!r}") from error
        if code:
            raise ConnectionError(mqtt.error_string(code))

    # paho's callbacks: 1.6 and 2.x agree on the positions used here.

    def _connected(self, *arguments: Any) -> None:
        reason = arguments[3]
        code = int(getattr(reason, "value", reason))
        if code:
            text = str(reason) if hasattr(reason, "value") else mqtt.connack_string(code)
            self.events.append(Rejected(text, code in _VERSION_CODES))
        else:
            properties = arguments[4] if len(arguments) > 4 else None
            self.events.append(Connected(int(getattr(properties, "ReceiveMaximum", 65_535))))

    def _published(self, *arguments: Any) -> None:
        self.events.append(Acknowledged(int(arguments[2])))

    def _received(self, _client: Any, _userdata: Any, message: Any) -> None:
        self.events.append(Received(message._topic, bytes(message.payload), bool(message.retain)))

    def _subscribed(self, *arguments: Any) -> None:
        refused = any(int(getattr(code, "value", code)) >= 0x80 for code in arguments[3])
        self.events.append(Subscribed(int(arguments[2]), not refused))


def _new_client(client_id: str, protocol: int) -> _Client:
    arguments: dict[str, Any] = {"client_id": client_id, "protocol": protocol}
    arguments["reconnect_on_failure"] = False
    if protocol == MQTT311:
        arguments["clean_session"] = True
    if hasattr(mqtt, "CallbackAPIVersion"):  # paho 2
        arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
    return _Client(**arguments)


def _connect_properties() -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = _PACKET_BYTES_MAX
    return properties
