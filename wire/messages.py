"""What is said: every CBOR message of a site, as typed tuples with their bounds.

Four groups, a module each: what a device says (`up`), what the gateway tells a device (`down`),
what goes both ways (`parcels`), what a client and the gateway say to each other (`clients`). They
are made of `records`; what gateways say among themselves is in `gateways`. Messages to and from a
device begin with the same three fields, so that either end can fence the other:

- `boot`: the sender's boot number, one higher each time it starts and kept on its disk (the
  gateway's: its term);
- `epoch`: the epoch of the map the sender acts on;
- `lease`: the epoch of the device's lease, as the sender knows it (0: none).

Times are milliseconds: `wall_ms` since 1970 UTC, `mono_ms` on the sender's monotonic clock. Sample
indexes count from a stream's first sample ever and never start anew.
"""

from atoll.wire.clients import (
    DONE,
    FAILED,
    INCOMPLETE,
    PROGRESS,
    Command,
    Get,
    Put,
    Reply,
    Run,
    Start,
)
from atoll.wire.down import (
    RUN_SAMPLES,
    Ack,
    Again,
    Cancel,
    InventoryAsk,
    Lease,
    Map,
    Probe,
    Program,
    Release,
    SendBlocks,
    Standing,
    Tasks,
)
from atoll.wire.parcels import Blocks, Part
from atoll.wire.records import (
    UNSTRAINED,
    BlockRange,
    BlockRun,
    Checkpoint,
    DatasetEntry,
    Health,
    HeldStream,
    KernelReceipt,
    Mark,
    NumberSpan,
    OrderEntry,
    Past,
    Piece,
    Refusal,
    Result,
    ShardEntry,
    ShardRef,
    Strain,
    StreamInfo,
    Stretch,
    Task,
)
from atoll.wire.shapes import PROTOCOL
from atoll.wire.up import (
    Birth,
    Credential,
    Held,
    LeaseRequest,
    LetGo,
    Memory,
    Partials,
    Stored,
    TransferFailed,
)

__all__ = [
    "DONE",
    "FAILED",
    "INCOMPLETE",
    "PROGRESS",
    "PROTOCOL",
    "RUN_SAMPLES",
    "UNSTRAINED",
    "Ack",
    "Again",
    "Birth",
    "BlockRange",
    "BlockRun",
    "Blocks",
    "Cancel",
    "Checkpoint",
    "Command",
    "Credential",
    "DatasetEntry",
    "Get",
    "Health",
    "Held",
    "HeldStream",
    "InventoryAsk",
    "KernelReceipt",
    "Lease",
    "LeaseRequest",
    "LetGo",
    "Map",
    "Mark",
    "Memory",
    "NumberSpan",
    "OrderEntry",
    "Part",
    "Partials",
    "Past",
    "Piece",
    "Probe",
    "Program",
    "Put",
    "Refusal",
    "Release",
    "Reply",
    "Result",
    "Run",
    "SendBlocks",
    "ShardEntry",
    "ShardRef",
    "Standing",
    "Start",
    "Stored",
    "Strain",
    "StreamInfo",
    "Stretch",
    "Task",
    "Tasks",
    "TransferFailed",
]
