"""Starting a device: options checked, store opened, boot counted, all wired, the loop run."""

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from atoll.runtime.errors import DeviceError, StoreError, UsageError

if TYPE_CHECKING:
    from atoll.runtime.core import Core
    from atoll.runtime.installed import Installed
    from atoll.runtime.keeper import Keeper
    from atoll.runtime.sources import Source
    from atoll.runtime.workers import Workers
    from atoll.transport.url import Broker
    from atoll.wire.messages import Birth, StreamInfo

OK, FAILED, USAGE = 0, 1, 2
BROKER_DEFAULT = "mqtt://127.0.0.1:1883"
# Seconds of silence after which either end gives a connection up, by profile.
KEEPALIVE_S = {"fast": 5, "normal": 10, "battery": 60, "metered": 1_200, "demo": 5}
WORKERS_MAX = 64
CAPACITY_MAX = 600.0
# To spare a card: slow streams' blocks grow for longer, and more syncs are one. What is not in a
# closed block yet is lost with the power.
LOW_WRITE_BLOCK_S = 600.0
LOW_WRITE_COMMIT_MS = 30_000
# What a thread of ours needs; the usual 8 MiB are only address space, but some boards count that.
STACK_BYTES = 512 * 1_024


class DeviceOptions(NamedTuple):
    """What `atoll device` is told. `workers` 0: one a core; `zone` empty: the device's id;
    `capacity` None: what the board bears, 0: its own streams only; `shared_machine`: other devices
    run here, too; `low_write`: a card is to be spared, as `LOW_WRITE_*` say.
    """

    id: str
    store: str
    broker: str = BROKER_DEFAULT
    site: str = "home"
    zone: str = ""
    capacity: float | None = None
    profile: str = "normal"
    sources: tuple[str, ...] = ()
    workers: int = 0
    token: str = ""
    commit_ms: int = 200
    wakes_in_s: int = 0
    shared_machine: bool = False
    low_write: bool = False


def run_device(options: DeviceOptions) -> int:
    """Run a device until it is told to end; the exit code: 0 ok, 1 failed, 2 unusable options."""
    try:
        return _run(options)
    except UsageError as error:
        code, line = USAGE, str(error)
    except DeviceError as error:
        code, line = FAILED, str(error)
    except OSError as error:
        code, line = FAILED, f"{error.filename or options.store}: {error.strerror or error}"
    print(f"atoll device: {line}", file=sys.stderr)
    return code


def _run(options: DeviceOptions) -> int:
    brokers = _check(options)
    from atoll.runtime.sources import make_sources

    sources = make_sources(list(options.sources), options.id)
    with _Lock(options.store):
        return _serve(options, brokers, sources)


def _check(options: DeviceOptions) -> "list[Broker]":
    """Refuse what cannot be before anything is touched; the brokers."""
    from atoll.runtime.lease import INTERVALS_S
    from atoll.transport.errors import AddressError
    from atoll.transport.url import parse_brokers
    from atoll.wire.errors import WireError
    from atoll.wire.status import SLEEP_S_MAX
    from atoll.wire.topics import Topics, check_name

    try:
        check_name(options.id, "id")
        check_name(options.zone or options.id, "zone")
        Topics(options.site)
        brokers = parse_brokers(options.broker)
    except WireError as error:
        raise UsageError(error.detail) from None
    except AddressError as error:
        raise UsageError(str(error)) from None
    if options.profile not in INTERVALS_S:
        raise UsageError(f"profile {options.profile!r} is none of {', '.join(INTERVALS_S)}")
    if options.capacity is not None and not 0.0 <= options.capacity <= CAPACITY_MAX:
        raise UsageError(
            f"capacity {options.capacity}: from 0 (its own streams only) to {CAPACITY_MAX:g}"
        )
    if not 0 <= options.workers <= WORKERS_MAX:
        raise UsageError(f"workers {options.workers}: 0 (one a core) to {WORKERS_MAX}")
    if not 1 <= options.commit_ms <= 60_000:
        raise UsageError(f"commit wait {options.commit_ms} ms: 1 to 60,000")
    if not 0 <= options.wakes_in_s <= SLEEP_S_MAX:
        raise UsageError(f"wakes in {options.wakes_in_s} s: at most {SLEEP_S_MAX}")
    return brokers


class _Lock:
    """One process for one store."""

    def __init__(self, root: str) -> None:
        from atoll.runtime.files import SystemFiles, settle_directory

        try:
            settle_directory(SystemFiles(), os.path.abspath(root))
            self._handle = os.open(f"{root}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"store {root} cannot be used: {error.strerror}") from None
        self._root = root

    def __enter__(self) -> None:
        from fcntl import LOCK_EX, LOCK_NB, flock

        try:
            flock(self._handle, LOCK_EX | LOCK_NB)
        except OSError:
            owner = os.pread(self._handle, 20, 0).decode("ascii", "replace").strip()
            raise StoreError(
                f"store {self._root} is in use by process {owner or '?'}: one device a store"
            ) from None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _serve(options: DeviceOptions, brokers: "list[Broker]", sources: "list[Source]") -> int:
    """Open the store, count the boot, wire everything, run the loop."""
    from threading import stack_size

    from atoll.runtime.core import Core, Identity
    from atoll.runtime.files import SystemFiles
    from atoll.runtime.health import HealthReader
    from atoll.runtime.installed import load_installed
    from atoll.runtime.keeper import Keeper
    from atoll.runtime.outbox import Outbox
    from atoll.runtime.recorder import BLOCK_S
    from atoll.runtime.state import load, save
    from atoll.runtime.store import Store
    from atoll.runtime.workers import Workers, read_shape

    stack_size(STACK_BYTES)
    root, files = options.store, SystemFiles()
    state = load(files, root)
    state = state._replace(boot=state.boot + 1)
    save(files, root, state)
    store, outbox = Store(root, files), Outbox(root, files)
    installed = load_installed(options.store)
    birth = _birth(
        options, installed, state.boot, [info for one in sources for info in one.streams]
    )
    block_s = LOW_WRITE_BLOCK_S if options.low_write else BLOCK_S
    backlog = (outbox.numbers(), outbox.size_bytes)
    core = Core(Identity(birth, state, *backlog, options.wakes_in_s, block_s), read_shape)
    health = HealthReader(root, best=installed.speed, shared=options.shared_machine)
    commit_ms = max(options.commit_ms, LOW_WRITE_COMMIT_MS if options.low_write else 0)
    keeper = Keeper(root, files, store, outbox, health, commit_s=commit_ms / 1_000)
    workers = Workers(options.workers or len(os.sched_getaffinity(0)), store)
    found = store.recovered
    lines = [f"boot {state.boot}, {found.blocks} blocks in {root}, broker {brokers[0].url}"]
    if found.torn or found.damaged:
        lines.append(f"store: {found.torn} torn tails cut off, {found.damaged} blocks damaged")
    return _run_loop(options, brokers, core, (keeper, workers, sources), lines)


def _run_loop(
    options: DeviceOptions,
    brokers: "list[Broker]",
    core: "Core",
    parts: "tuple[Keeper, Workers, list[Source]]",
    lines: list[str],
) -> int:
    """Connect the core with the broker and serve until it has stopped."""
    from signal import SIGINT, SIGTERM

    from atoll.runtime.files import SystemFiles
    from atoll.runtime.join import Joiner, check_private, make_secret, read_secret
    from atoll.runtime.shell import Shell
    from atoll.transport.link import Link, refusals_to
    from atoll.transport.loop import Loop
    from atoll.transport.notify import from_environment
    from atoll.transport.port import Session, Will
    from atoll.wire.status import Status, encode_status
    from atoll.wire.topics import Topics

    loop, topics = Loop(), Topics(options.site)
    gone = encode_status(Status("lost", core.boot, 0))
    will = Will(topics.up(options.id, "status"), gone)
    session = Session(options.id, will, KEEPALIVE_S[options.profile])
    files = SystemFiles()
    check_private(options.store)
    secret = read_secret(options.store, files)
    if options.token and not secret:
        secret = make_secret(options.store, files)
    link = Link(loop, _known_to(brokers, options.id, secret), session)
    shell = Shell(options.id, loop, link, core)
    link.on_subscribed = refusals_to(shell.say)
    if options.token:
        shell.joiner = Joiner(loop, topics, options.id, options.token, secret)
        shell.joiner.say = shell.say
    notifier = from_environment()

    def stop(_: int) -> None:
        notifier.stopping()
        shell.stop()

    loop.on_signal(SIGTERM, stop)
    loop.on_signal(SIGINT, stop)
    for line in lines:
        shell.say(line)
    shell.start(topics, *parts)
    notifier.ready(loop, lines[0])
    try:
        loop.run()
    finally:
        loop.close()
    return OK


def _birth(
    options: DeviceOptions, installed: "Installed", boot: int, streams: "list[StreamInfo]"
) -> "Birth":
    from atoll.runtime.capacity import capacity_of
    from atoll.wire.limits import MESSAGE_BYTES_MAX
    from atoll.wire.messages import PROTOCOL, Birth

    status = os.statvfs(options.store)
    storage = status.f_blocks * status.f_frsize
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    capacity = options.capacity
    if capacity is None:
        capacity = capacity_of(cores, installed.speed, memory, storage)
    return Birth(
        boot=boot,
        epoch=0,
        lease=0,
        protocol=PROTOCOL,
        software=installed.software,
        zone=options.zone or options.id,
        capacity=capacity,
        profile=options.profile,
        cores=cores,
        memory_bytes=memory,
        storage_bytes=storage,
        message_max=MESSAGE_BYTES_MAX,
        receipts=installed.receipts,
        sources=streams,
        speed=installed.speed,
    )


def _known_to(brokers: "list[Broker]", device: str, secret: str) -> "list[Broker]":
    """The brokers with the device's own secret, but for those whose URL names a user."""
    if not secret:
        return brokers
    return [
        broker if broker.username else broker._replace(username=device, password=secret)
        for broker in brokers
    ]
