"""What a device keeps on its disk, under power cuts: shard store, outbox, state, secret.

`World` is one device's disk with a model of what was promised on it. `step` does a random piece of
work through the real code; `check` opens what a cut left and compares it with the promises:

- an acknowledged block, a kept outbox message, a saved state, a made secret are there, with the
  same bytes;
- whatever else is there was once written, whole: the blocks of a commit that was cut, a message
  whose acknowledgement came in between;
- what was deleted stays deleted, numbers that fence never go back;
- opening takes a bounded number of reads and of bytes.
"""

from collections.abc import Iterator
from random import Random

from cut_disk import KILLED, WAYS, CutDisk, PowerCut

from atoll.runtime.effects import State
from atoll.runtime.errors import DeviceError, Refused
from atoll.runtime.files import settle_directory
from atoll.runtime.join import make_secret, read_secret
from atoll.runtime.outbox import Outbox
from atoll.runtime.state import load, save
from atoll.runtime.store import Store
from atoll.wire.block import Block, encode_block
from atoll.wire.messages import Mark, ShardEntry, Standing, StreamInfo

ROOT = "/device"
SHARDS = 3
SEGMENT_BYTES = 2_048
OUTBOX_FILE_BYTES = 1_024
NOW_MS = 1_700_000_000_000
Key = tuple[str, int]  # stream, block number


class Broken(AssertionError):
    """A promise was broken; `kind` is the counter it belongs to: lost or torn."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


class Promises:
    """What the device has said, and what it has merely tried."""

    def __init__(self) -> None:
        self.blocks: dict[Key, bytes] = {}  # acknowledged
        self.offered: dict[Key, bytes] = {}  # written, perhaps
        self.kept: dict[int, bytes] = {}  # outbox messages said to be safe
        self.sent: dict[int, bytes] = {}  # outbox messages ever written
        self.states = (State(0, 0, 0, 0, [], []),)  # saved, then what is being saved
        self.secret = ""
        self.next: dict[str, tuple[int, int]] = {}  # stream -> next block and sample
        self.number = 0

    def copy(self) -> "Promises":
        new = Promises()
        for name, value in vars(self).items():
            setattr(new, name, dict(value) if isinstance(value, dict) else value)
        return new


class World:
    """A disk, what runs on it, and the promises."""

    def __init__(self, disk: CutDisk, random: Random, promises: Promises | None = None) -> None:
        self.disk = disk
        self.random = random
        self.promises = promises or Promises()

    # --- the start ---

    def start(self) -> None:
        """As runtime/main.py starts a device."""
        disk, promises = self.disk, self.promises
        settle_directory(disk, ROOT)
        state = load(disk, ROOT)
        if state not in promises.states:
            raise Broken("lost", f"state {state[:4]} after {promises.states[0][:4]}")
        self._save(state._replace(boot=state.boot + 1))
        self.store = Store(ROOT, disk, segment_bytes=SEGMENT_BYTES, reserve_bytes=0)
        self.outbox = Outbox(ROOT, disk, file_bytes=OUTBOX_FILE_BYTES)
        # What is found now is announced, and so promised.
        for key, encoded in self._stored():
            promises.blocks[key] = encoded
        for number in self.outbox.numbers():
            promises.kept[number] = promises.sent.get(number, b"?")

    def _save(self, state: State) -> None:
        # Until it is there, whatever could have been there before may be.
        self.promises.states = (*self.promises.states, state)
        save(self.disk, ROOT, state)
        self.promises.states = (state,)

    # --- work ---

    def step(self) -> None:
        """One piece of work, chosen at random."""
        chance = self.random.random()
        if chance < 0.45:
            self._stage()
        elif chance < 0.62:
            self._commit()
        elif chance < 0.76:
            self._outbox()
        elif chance < 0.83:
            self._settle()
        elif chance < 0.90:
            self._save(self._next_state())
        elif chance < 0.93:
            self._delete()
        elif chance < 0.96:
            self._retain()
        elif chance < 0.98:
            self._secret()
        else:
            self.store.close()
            self.outbox.close()
            self.start()

    def _stage(self) -> None:
        random, promises = self.random, self.promises
        for _ in range(random.randint(1, 3)):
            shard = random.randrange(SHARDS)
            name = f"s{shard}-{random.randrange(2)}"
            seq, sample = promises.next.get(name, (0, 0))
            size = random.choice((1, 20, 150, 400))
            data = random.randbytes(2 * size)
            info = StreamInfo("d", name, "i16", 1, 100.0, 1.0, "g")
            # Later blocks are younger, so that retention by age finds something.
            wall_ms = NOW_MS + 1_000 * len(promises.offered)
            times = (promises.states[-1].boot, 5, wall_ms, 2)
            encoded = encode_block(Block(info, shard, seq, sample, size, *times, False, data))
            promises.offered[name, seq] = encoded
            promises.next[name] = (seq + 1, sample + size)
            try:
                self.store.stage(encoded, wall_ms)
            except Refused as refused:
                raise Broken("lost", f"a good block is refused: {refused}") from None

    def _commit(self) -> None:
        done = self.store.commit()
        if done.failed:
            raise Broken("lost", f"a commit failed: {done.failed}")
        for info, _, run in done.added:
            key = (info.key, run.first_seq)
            self.promises.blocks[key] = self.promises.offered[key]

    def _outbox(self) -> None:
        promises = self.promises
        written = []
        for _ in range(self.random.randint(1, 4)):
            promises.number += 1
            number = promises.states[-1].boot << 32 | promises.number
            message = self.random.randbytes(self.random.choice((0, 9, 60, 300)))
            promises.sent[number] = message
            self.outbox.append(number, message)
            written.append(number)
        if self.random.random() < 0.7:
            if self.outbox.sync():
                raise Broken("lost", "the outbox did not sync")
            promises.kept.update((number, promises.sent[number]) for number in written)

    def _settle(self) -> None:
        numbers = self.outbox.numbers()
        if not numbers:
            return
        last = self.random.choice(numbers)
        first = numbers[0] if self.random.random() < 0.7 else last
        for number in [one for one in self.promises.kept if first <= one <= last]:
            del self.promises.kept[number]
        self.outbox.settle(first, last)

    def _next_state(self) -> State:
        random, old = self.random, self.promises.states[-1]
        shards = [
            ShardEntry("d", shard, 0, old.map_epoch + 1, 0, 0)
            for shard in range(random.randrange(SHARDS))
        ]
        orders = []
        if random.random() < 0.5:
            marks = [Mark("s0-0", random.randrange(1 << 40))]
            orders = [Standing(old.term + 1, 1, 0, "job", b"plan", "d", 64, 0, marks)]
        return State(
            *(old.boot, old.term + 1, old.map_epoch + 1, old.lease_epoch + 2), shards, orders
        )

    def _delete(self) -> None:
        shard = self.random.randrange(SHARDS)
        doomed = self._of_shard(shard)
        for key in doomed:
            self.promises.blocks.pop(key, None)
        self.store.delete("d", shard)
        for key in doomed:
            del self.promises.offered[key]

    def _retain(self) -> None:
        """By bytes: the shard's oldest segments go."""
        shard = self.random.randrange(SHARDS)
        self._commit()
        doomed = self._of_shard(shard)
        for key in doomed:
            self.promises.blocks.pop(key, None)
        keep = self.random.choice((SEGMENT_BYTES, 2 * SEGMENT_BYTES))
        self.store.retain("d", shard, 0, keep, NOW_MS)
        left = {key for key, _ in self._stored()}
        for key in doomed:
            if key in left:
                self.promises.blocks[key] = self.promises.offered[key]
            else:
                del self.promises.offered[key]

    def _of_shard(self, shard: int) -> list[Key]:
        return [key for key in self.promises.offered if key[0].startswith(f"s{shard}-")]

    def _secret(self) -> None:
        if not self.promises.secret:
            self.promises.secret = make_secret(ROOT, self.disk)

    # --- the check ---

    def _stored(self) -> Iterator[tuple[Key, bytes]]:
        for held in self.store.streams():
            for run in held.runs:
                for seq in range(run.first_seq, run.last_seq + 1):
                    yield (held.info.key, seq), self.store.block("d", held.info.key, seq)

    def check(self) -> None:
        """Open what is on the disk now, compare it with the promises. Raises `Broken`."""
        disk, promises = self.disk, self.promises
        disk.reads = disk.read_bytes = 0
        secret = read_secret(ROOT, disk)
        if promises.secret and secret != promises.secret:
            raise Broken("lost", f"the secret is {secret!r}")
        promises.secret = secret
        try:
            self._open_within_bounds()
        except DeviceError as error:
            raise Broken("lost", f"it does not open: {error}") from None
        self._compare_blocks()
        self._compare_outbox()

    def _open_within_bounds(self) -> None:
        """Open everything, as a start does; what that costs is bounded."""
        disk = self.disk
        size = sum(len(file.data) for file in disk.files().values())
        blocks, kept = dict(self.promises.blocks), dict(self.promises.kept)
        self.start()
        self.promises.blocks, self.promises.kept = blocks, kept
        # Each frame once, each unsynced body once, each name's header once, torn parts searched.
        if disk.read_bytes > 8 * size + 65_536 or disk.reads > 64 + size // 8:
            raise Broken("lost", f"opening {size} bytes read {disk.read_bytes} in {disk.reads}")

    def _compare_blocks(self) -> None:
        offered, found = self.promises.offered, dict(self._stored())
        for key, encoded in found.items():
            if offered.get(key) != encoded:
                raise Broken("torn", f"block {key} is not what was written")
        for key in self.promises.blocks:
            if key not in found:
                raise Broken("lost", f"acknowledged block {key} is not there")
        self.promises.blocks = found

    def _compare_outbox(self) -> None:
        sent, numbers = self.promises.sent, self.outbox.numbers()
        for number in numbers:
            if self.outbox.read(number) != sent.get(number, b"?"):
                raise Broken("torn", f"message {number:x} is not what was written")
        for number in self.promises.kept:
            if number not in numbers:
                raise Broken("lost", f"message {number:x} is not there")
        self.promises.kept = {number: sent[number] for number in numbers}


class Campaign:
    """Cuts at every operation of a workload, in every way; every so often a second cut follows."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.cuts = self.doubles = 0
        self.recovered_torn = 0

    def run(self, steps: int) -> None:
        """One workload of so many steps. Raises `Broken`."""
        world = World(CutDisk(), self.random)
        world.disk.before = lambda disk: self._cut_here(world)
        world.start()
        for _ in range(steps):
            world.step()
        world.disk.before = None
        world.store.close()
        world.outbox.close()

    def _cut_here(self, world: World) -> None:
        """Before an operation: the disk after a cut in it, once for each way."""
        for way in WAYS:
            self.cuts += 1
            after = world.disk.after_cut(way, self.random)
            self._survive(after, world.promises.copy(), way)

    def _survive(self, disk: CutDisk, promises: Promises, way: str) -> None:
        again = self.random.random()
        if again < 0.10:
            disk, promises = self._cut_again(disk, promises, way)
        world = World(disk, self.random, promises)
        world.check()
        self.recovered_torn += world.store.recovered.torn
        if again > 0.95:
            for _ in range(3):
                world.step()
            world._commit()
            killed = World(disk.after_cut(KILLED, self.random), self.random, promises)
            killed.check()

    def _cut_again(self, disk: CutDisk, promises: Promises, way: str) -> tuple[CutDisk, Promises]:
        """A second cut while the first one's traces are cleared up, or soon after."""
        self.cuts += 1
        self.doubles += 1
        world = World(disk, self.random, promises)
        disk.cut_at = disk.operations + self.random.randint(1, 14)
        try:
            world.start()
            for _ in range(4):
                world.step()
        except PowerCut:
            pass
        except DeviceError as error:
            raise Broken("lost", f"it does not open: {error}") from None
        # Nothing is under way any more if all steps were done before the cut.
        if disk.operations < disk.cut_at:
            disk.under_way = None
        ways = [one for one in WAYS if one != KILLED]
        return disk.after_cut(self.random.choice(ways), self.random), promises
