"""Every bound that both ends of the wire hold each other to, with its reason."""

from typing import Final

# One MQTT payload. 64 KiB is what the brokers' defaults and a board's buffers bear without
# fragmentation.
MESSAGE_BYTES_MAX: Final = 65_536
# What is left of a message for a block's samples once its header and the envelope are paid for.
BLOCK_BYTES_MAX: Final = 61_440
# Nesting: message > list > record > list > record is 5; 8 leaves room and no decoder recurses
# deeply.
DEPTH_MAX: Final = 8
# Items in one message: bounds what a decoder allocates for hostile input. A map of 1,024 shards has
# 8,200, a message filled with shard entries or block runs, at no less than 16 bytes each, 32,768.
ITEMS_MAX: Final = 32_768
# A large object travels as numbered parts; 256 parts of 60 KiB are 15 MiB, more than any result (1
# MiB) or map.
PARTS_MAX: Final = 256
PART_BYTES_MAX: Final = 60_000
# What a part's envelope (type, object, number, digest, heads) adds to its bytes at most.
PART_ENVELOPE_BYTES: Final = 80
OBJECT_BYTES_MAX: Final = PARTS_MAX * PART_BYTES_MAX
# Items in an object put together from parts: an inventory of 256 streams of 64 runs has about
# 134,000.
OBJECT_ITEMS_MAX: Final = 262_144
# Objects being put together at once, for one receiver.
ASSEMBLIES_MAX: Final = 8

NAME_BYTES_MAX: Final = 64  # site, device, client, dataset, job and zone names
KEY_BYTES_MAX: Final = 128  # stream keys
UNIT_BYTES_MAX: Final = 16  # units of samples
PLAN_BYTES_MAX: Final = (
    16_384  # a plan's canonical form: coefficients and small models travel inside
)
PROGRAM_BYTES_MAX: Final = 32_768  # a plan's words for the interpreter: 8,192 of them
PLAN_TEXT_BYTES_MAX: Final = 4_096
CHECKPOINT_BYTES_MAX: Final = (
    16_384  # what a plan's stages remember of one stream: filters take dozens
)
REASON_BYTES_MAX: Final = 512  # what is said to people about a refusal or an error

TASKS_MAX: Final = 512  # tasks in one message, and partials in one
BLOCKS_MAX: Final = 128  # blocks in one message
STREAMS_MAX: Final = 256  # streams described in one message
RUNS_MAX: Final = 64  # runs of blocks described for one stream in one message
# Devices, and shards of a dataset, in one listing; a full one is asked on from its last. A device
# with all its factors takes 1 to 3 KB of JSON, a reply 4 MiB.
LISTING_ROWS_MAX: Final = 1_000
RANGES_MAX: Final = 256  # block ranges asked for in one message
SHARDS_MAX: Final = (
    1_024  # shards in one release; a map, which may travel in parts, names eight times as many
)
ENTRIES_MAX: Final = 512  # of each kind in one message of what a device remembers
DATASETS_MAX: Final = 4_096  # datasets of a site, and so in one map
KERNELS_MAX: Final = 128  # receipts in one birth
PIECES_MAX: Final = 256  # pieces of streams in one put

PARTIAL_BYTES_MAX: Final = (
    1_048_576  # one task's partial; larger ones are refused by the plan itself
)

# Between gateways: a part of a batch or of a copy of the ledger, with room for its envelope; and a
# whole batch, which is what one turn of the gateway's loop has committed (the largest row, a query
# with its answer, has 5 MiB).
LEDGER_PART_BYTES_MAX: Final = 60_000
LEDGER_BATCH_BYTES_MAX: Final = 64 * 1_048_576
