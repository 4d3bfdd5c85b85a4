"""The JSON that people see: status, health, gateway status and event lines; made and read, bounded.

JSON is for people and for tools such as Home Assistant; what machines depend on is in the CBOR
messages, but for two facts that a last will must be able to say: whether a device, or the gateway,
is there. Non-finite numbers travel as strings.
"""

from typing import Any, NamedTuple

from atoll.wire.errors import DecodeError, EncodeError
from atoll.wire.messages import Health

# A status is 60 bytes, health 250, an event line seldom more than 300.
STATUS_BYTES_MAX = 1_024
EVENT_BYTES_MAX = 2_048

DEVICE_STATES = ("init", "ready", "draining", "sleeping", "stopped", "lost")
GATEWAY_STATES = ("ready", "stopped", "lost")
# A promise beyond a week is none.
SLEEP_S_MAX = 7 * 86_400


class Status(NamedTuple):
    """On up/status and gateway/status, retained: a state, and whose boot (term) and epoch it is.

    A device that sleeps says for how many seconds (`sleep_s`) and when it wakes by its wall clock
    (`wake_ms`, 0 if it has none): the seconds count when the status is heard as it is said, the
    time when it is read again later.
    """

    state: str
    boot: int
    epoch: int
    sleep_s: int = 0
    wake_ms: int = 0


def encode_status(status: Status) -> bytes:
    """`{"state":"ready","boot":7,"epoch":41}`. Raises `EncodeError` for a state that is none."""
    if status.state not in DEVICE_STATES:
        raise EncodeError("status", f"state {status.state!r} is none of {', '.join(DEVICE_STATES)}")
    # No json module: a device that says only this need not load it.
    text = f'{{"state":"{status.state}","boot":{status.boot:d},"epoch":{status.epoch:d}'
    if status.state == "sleeping":
        text += f',"sleep_s":{status.sleep_s:d},"wake_ms":{status.wake_ms:d}'
    return (text + "}").encode()


def decode_status(data: bytes, states: tuple[str, ...] = DEVICE_STATES) -> Status:
    """Read a status; other members are skipped. Raises `DecodeError`."""
    tree = _read(data, STATUS_BYTES_MAX)
    state, boot, epoch = tree.get("state"), tree.get("boot"), tree.get("epoch")
    if state not in states:
        raise DecodeError("status", f"state {str(state)[:20]!r} is none of {', '.join(states)}")
    if type(boot) is not int or type(epoch) is not int:
        raise DecodeError("status", "boot and epoch are integers")
    if not (0 <= boot < 2**32 and 0 <= epoch < 2**64):
        raise DecodeError("status", "boot or epoch is out of range")
    if state != "sleeping":
        return Status(str(state), boot, epoch)
    sleep_s, wake_ms = tree.get("sleep_s"), tree.get("wake_ms", 0)
    if type(sleep_s) is not int or not 0 < sleep_s <= SLEEP_S_MAX:
        raise DecodeError("status", f"sleep_s is an integer from 1 to {SLEEP_S_MAX}")
    if type(wake_ms) is not int or not 0 <= wake_ms < 2**63:
        raise DecodeError("status", "wake_ms is an integer, 0 if the device has no clock")
    return Status("sleeping", boot, epoch, sleep_s, wake_ms)


def encode_health(health: Health, **more: int | str) -> bytes:
    """The health record by field names without what is not known (-1), and `more` members."""
    tree = {name: value for name, value in health._asdict().items() if value != -1}
    return _write(tree | more, STATUS_BYTES_MAX)


def encode_event(name: str, text: str, **members: Any) -> bytes:
    """One decision in one line: `{"event":"out","text":"device d3 is out: ...", ...}`."""
    tree = {"event": name, "text": text} | members
    try:
        return _write(tree, EVENT_BYTES_MAX)
    except EncodeError:
        return _write({"event": name, "text": text[: EVENT_BYTES_MAX // 8]}, EVENT_BYTES_MAX)


def decode_event(data: bytes) -> dict[str, Any]:
    """Read an event line: `event` and `text` are there, the rest depends on the event. Raises
    `DecodeError`.
    """
    tree = _read(data, EVENT_BYTES_MAX)
    if type(tree.get("event")) is not str or type(tree.get("text")) is not str:
        raise DecodeError("event", "event and text are texts")
    return tree


def finite(value: Any) -> Any:
    """The same tree for JSON: NaN and infinities, which JSON does not have, as "nan", "inf" and
    "-inf".
    """
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _write(tree: dict[str, Any], size_max: int) -> bytes:
    import json

    text = json.dumps(finite(tree), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data = text.encode()
    if len(data) > size_max:
        raise EncodeError("size", f"{len(data)} bytes of JSON, at most {size_max} are allowed")
    return data


def _read(data: bytes, size_max: int) -> dict[str, Any]:
    import json

    if len(data) > size_max:
        raise DecodeError("size", f"{len(data)} bytes of JSON, at most {size_max} are allowed")
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        raise DecodeError("json", "no JSON") from None
    if not isinstance(tree, dict):
        raise DecodeError("json", "a JSON object is wanted")
    return tree
