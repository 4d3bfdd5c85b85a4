"""The state file: what a device must remember, replaced in one step.

    DIR/state      magic, format, four numbers, record count | records (length, message) | CRC-32C

Records are messages of the wire's own schema: the map and the standing orders as they came. The
boot number is raised here at each start, before anything is said under it.
"""

import struct

from atoll.runtime.effects import State
from atoll.runtime.errors import StoreError
from atoll.runtime.files import Files
from atoll.wire._native import crc32c
from atoll.wire.codec import decode, encode
from atoll.wire.errors import WireError
from atoll.wire.limits import MESSAGE_BYTES_MAX
from atoll.wire.messages import DatasetEntry, Map, Mark, Standing

_HEAD = struct.Struct("<8sHHIQQII")
_MAGIC = b"ATOLLSTA"
FORMAT = 1
_LENGTH = struct.Struct("<I")
# 64 orders of 4,096 marks each and a map of 8,192 shards are about 10 MiB.
STATE_BYTES_MAX = 16 * 1_048_576
# Shards of one map message: what is left of 64 KiB with 64-byte dataset names.
_SHARDS_A_RECORD = 512
_DATASETS_A_RECORD = 512


def load(files: Files, root: str) -> State:
    """The state as it was saved; that of a new device if there is none. Raises `StoreError` if it
    is damaged.
    """
    path = f"{root}/state"
    try:
        handle = files.open(path)
    except FileNotFoundError:
        return State(0, 0, 0, 0, [], [])
    try:
        data = files.read(handle, STATE_BYTES_MAX, 0)
    finally:
        files.close(handle)
    if len(data) < _HEAD.size + 4 or data[:8] != _MAGIC:
        raise StoreError(f"{path} is no state file")
    version = _HEAD.unpack_from(data)[1]
    if version > FORMAT:
        raise StoreError(f"{path} has format {version}; this version reads up to {FORMAT}")
    if crc32c(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise StoreError(
            f"{path} is damaged; delete it to join the site as a new device with the shards kept"
        )
    try:
        return _parse(data)
    except (WireError, struct.error) as error:
        raise StoreError(f"{path} cannot be understood: {error}") from None


def _parse(data: bytes) -> State:
    _, _, _, boot, term, map_epoch, lease_epoch, count = _HEAD.unpack_from(data)
    datasets: list[DatasetEntry] = []
    state = State(boot, term, map_epoch, lease_epoch, [], [], datasets)
    at = _HEAD.size
    for number in range(count):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        message = decode(data[at : at + length], allowed=(Map, Standing))
        at += length
        if number == 0 and isinstance(message, Map) and not (message.shards or message.datasets):
            state = state._replace(map_term=message.boot, lease_term=message.lease)
        elif isinstance(message, Map):
            state.shards.extend(message.shards)
            datasets.extend(message.datasets)
        else:
            state.orders.append(message)
    return state


def save(files: Files, root: str, state: State) -> int:
    """Put the state on disk; the bytes written. Raises OSError."""
    records = []
    head = (state.term, state.map_epoch, state.lease_epoch)
    if state.map_term >= 0:  # a map of nothing, whose head says under which terms the epochs were
        records.append(encode(Map(state.map_term, state.map_epoch, state.lease_term, [])))
    for at in range(0, len(state.datasets), _DATASETS_A_RECORD):
        datasets = list(state.datasets[at : at + _DATASETS_A_RECORD])
        records.append(encode(Map(*head, [], datasets)))
    for at in range(0, len(state.shards), _SHARDS_A_RECORD):
        records.append(encode(Map(*head, state.shards[at : at + _SHARDS_A_RECORD])))
    for order in state.orders:
        records += [encode(part) for part in _bounded(order)]
    packed = _HEAD.pack(_MAGIC, FORMAT, 0, state.boot, *head, len(records))
    body = b"".join((packed, *(_LENGTH.pack(len(one)) + one for one in records)))
    path = f"{root}/state"
    fresh = f"{path}.new"
    if "state.new" in files.names(root):
        files.remove(fresh)
    handle = files.open(fresh, create=True)
    try:
        written = files.append(handle, (body, _LENGTH.pack(crc32c(body))))
        files.sync(handle)
    finally:
        files.close(handle)
    files.rename(fresh, path)
    files.sync_directory(root)
    return written


def _bounded(order: Standing) -> list[Standing]:
    """An order whose marks fit one message: keys may be long."""
    size = len(order.plan) + sum(len(mark.key.encode()) + 16 for mark in order.marks)
    size += sum(len(one.key.encode()) + 40 + len(one.data) for one in order.checkpoints)
    if size < MESSAGE_BYTES_MAX - 1_024 or len(order.marks) < 2:
        return [order]
    half = len(order.marks) // 2
    return _bounded(_part(order, order.marks[:half])) + _bounded(_part(order, order.marks[half:]))


def _part(order: Standing, marks: list[Mark]) -> Standing:
    keys = {mark.key for mark in marks}
    held = [one for one in order.checkpoints if one.key in keys]
    return order._replace(marks=marks, checkpoints=held)
