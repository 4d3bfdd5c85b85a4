"""`atoll emulate`: emulated microcontrollers that join the site as real ones do: by Ethernet, or
over a serial line whose bridge this is.
"""

import argparse
import os
import signal
import subprocess
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from atoll.cli.firmware import (
    BOARDS,
    TOOLS,
    Image,
    broker_address,
    build,
    emulator,
    emulator_tools,
    floor_now,
    need,
    plain,
)
from atoll.cli.options import BROKER_DEFAULT, SITE_DEFAULT, UsageError, example
from atoll.cli.serial import say

COUNT_MAX = 64
# What a board on QEMU's user network calls this machine's loopback.
LOOPBACK = "10.0.2.2"
LINE_MAX = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--board", required=True, choices=sorted(BOARDS), help="which board")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="how many (1)")
    parser.add_argument("--id", metavar="NAME", help="NAME-1, NAME-2, ... (the board's name)")
    parser.add_argument("--zone", default="", help="what fails together (default: the id)")
    parser.add_argument(
        "--samples", metavar="FILE", help="a recording (.npy of int16, .wav, .csv) that they sample"
    )
    parser.add_argument("--dataset", default="emulated", help="dataset of the streams (emulated)")
    parser.add_argument("--rate", type=float, metavar="HZ", help="samples a second")
    parser.add_argument(
        "--link",
        choices=("ethernet", "serial"),
        help="how they reach the broker (ethernet where the board has it)",
    )
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("ATOLL_BROKER", BROKER_DEFAULT),
        help=f"mqtt://host[:port] (ATOLL_BROKER; {BROKER_DEFAULT})",
    )
    parser.add_argument(
        "--site",
        default=os.environ.get("ATOLL_SITE", SITE_DEFAULT),
        help=f"name of the site (ATOLL_SITE; {SITE_DEFAULT})",
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("ATOLL_TOKEN", ""),
        help="the one-time token of one board, ID-1 (atoll enroll; ATOLL_TOKEN), needed each time",
    )
    example(
        parser,
        "atoll emulate --board mps2-an385",
        "atoll emulate --board microbit --count 4 --samples motor.npy --rate 3200",
        "atoll emulate --board lm3s6965evb --link serial",
        "kill -USR1 PID    (presses the reset button of its boards)",
    )


def run(options: Any) -> int:
    """Start the boards, be their bridge where they need one, and end them with a signal."""
    from atoll.transport.loop import Loop
    from atoll.transport.serial_shell import SerialShell
    from atoll.transport.url import parse_broker

    broker = plain(parse_broker(options.broker))
    if not 1 <= options.count <= COUNT_MAX:
        raise UsageError(f"--count: 1 to {COUNT_MAX}")
    if options.token and options.count != 1:
        raise UsageError("--token: it is one board's, --count 1")
    link = _link(options)
    reached = reached_as(broker) if link == "ethernet" else ""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="atoll-emulate-")))
        samples = _samples(options, folder)
        # What is said wrongly is told wherever it is said, and only then what is missing here.
        need({**TOOLS, **emulator_tools(options.board)})
        image = build(options.board, "emulated" if samples else "node", link)
        loop = Loop()
        stack.callback(loop.close)
        ended: list[str] = []
        boards: list[Emulated] = []
        for number in range(1, options.count + 1):
            name = f"{options.id or options.board}-{number}"
            board = Emulated(name, options, image, folder, samples, reached)
            stack.callback(board.end)
            boards.append(board)
            say(f"{name}: {options.board} in emulation, process {board.process.pid}")
            if reached:
                loop.watch(board.console.fileno(), readable=partial(_tell, loop, board))
            else:
                shell = SerialShell(loop, f"unix:{board.line}", broker, say)
                stack.callback(shell.close)
                shell.start()
            loop.watch(board.pidfd, readable=partial(_ended, loop, board, ended))
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.on_signal(signum, lambda _: loop.stop())
        loop.on_signal(signal.SIGUSR1, lambda _: _reset(boards))
        loop.run()
    for line in ended:
        say(line)
    return 1 if ended else 0


def _link(options: Any) -> str:
    """The link that was asked for, or the board's better one."""
    ethernet = BOARDS[options.board].ethernet
    if options.link == "ethernet" and not ethernet:
        raise UsageError(f"--link: {options.board} has no Ethernet; it goes by serial")
    return options.link or ("ethernet" if ethernet else "serial")


def reached_as(broker: Any) -> str:
    """ADDRESS:PORT of the broker as a board in QEMU finds it; boards look up no names."""
    address = broker_address(broker)
    return f"{LOOPBACK if address.startswith('127.') else address}:{broker.port}"


def _tell(loop: Any, board: "Emulated") -> None:
    """Pass on what a board says on its console."""
    try:
        data = os.read(board.console.fileno(), 4096)
    except BlockingIOError:
        return
    if not data:
        loop.unwatch(board.console.fileno())
    for line in board.lines(data):
        say(f"{board.name}: {line}")


def _reset(boards: "list[Emulated]") -> None:
    """Press the reset button of all."""
    from atoll.cli.qmp import QmpError

    for board in boards:
        try:
            board.reset()
        except QmpError as error:
            say(f"{board.name}: not reset: {error}")


def _ended(loop: Any, board: "Emulated", ended: list[str]) -> None:
    """The emulator ended by itself, which it never should."""
    loop.unwatch(board.pidfd)
    ended.append(f"{board.name}: the emulator ended with {board.process.wait()}: {board.said()}")
    loop.stop()


def _samples(options: Any, folder: Path) -> Path | None:
    """The recording as the board reads it, and its rate."""
    if options.samples is None:
        return None
    from atoll.cli.files import load

    first, *others = load(options.samples)
    if others:
        raise UsageError(f"{options.samples}: one recording is wanted, it has {len(others) + 1}")
    if first.samples.typecode != "h":
        raise UsageError(f"{options.samples}: boards sample int16, and it holds something else")
    options.rate = options.rate or first.rate_hz
    if not options.rate:
        raise UsageError("--rate: how many samples a second?")
    path = folder / "samples"
    path.write_bytes(first.samples.tobytes())
    return path


class Emulated:
    """One board in QEMU: its process, and its serial line: a socket, or with Ethernet a console.

    reached: the broker's ADDRESS:PORT for a board with Ethernet, else empty.
    """

    def __init__(
        self,
        name: str,
        options: Any,
        image: Image,
        folder: Path,
        samples: Path | None,
        reached: str = "",
    ) -> None:
        from atoll.cli.enrolled import secret_for
        from atoll.cli.site import die_with
        from atoll.transport.url import parse_broker
        from atoll.wire.identity import Identity, encode_identity

        self.name = name
        self.line = folder / f"{name}.line"
        self._log = folder / f"{name}.log"
        self._control = folder / f"{name}.control"
        who = Identity(options.site, name, options.zone or name, floor=floor_now(), broker=reached)
        if samples:
            who = who._replace(dataset=options.dataset, source="adc", rate_hz=options.rate)
        if options.token:
            broker = parse_broker(options.broker)
            who = who._replace(secret=secret_for(name, options.site, broker, options.token))
        block = folder / f"{name}.identity"
        block.write_bytes(encode_identity(who))
        command = [*emulator(options.board), "-kernel", str(image.elf)]
        command += ["-display", "none", "-monitor", "none"]
        command += ["-qmp", f"unix:{self._control},server=on,wait=off"]
        if reached:
            # The user network is the board's alone, and its console needs no answers.
            command += ["-serial", "stdio", "-nic", "user,id=net"]
        else:
            command += ["-chardev", f"socket,id=line,path={self.line},server=on,wait=off"]
            command += ["-serial", "chardev:line", "-nic", "none"]
        command += ["-device", f"loader,file={block},addr={image.identity:#x},force-raw=on"]
        if samples:
            command += ["-semihosting-config", f"enable=on,target=native,arg={samples}"]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if reached else log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(die_with, os.getpid()),
            )
        self.pidfd = os.pidfd_open(self.process.pid)
        self._partial = b""
        if self.process.stdout:
            os.set_blocking(self.process.stdout.fileno(), False)

    @property
    def console(self) -> IO[bytes]:
        """What the board says, where it has Ethernet."""
        assert self.process.stdout
        return self.process.stdout

    def lines(self, data: bytes) -> list[str]:
        """Whole lines of the console, with `data` as what came last."""
        *whole, rest = (self._partial + data).split(b"\n")
        self._partial = rest[-LINE_MAX:]
        return [line[:LINE_MAX].decode(errors="replace").strip() for line in whole]

    def said(self) -> str:
        """What QEMU printed."""
        return self._log.read_text(errors="replace").strip()[-300:] or "it said nothing"

    def reset(self) -> None:
        """Press its reset button."""
        from atoll.cli.qmp import Qmp

        with Qmp(self._control, 5.0) as control:
            control.order("system_reset")

    def end(self) -> None:
        """Switch the board off."""
        self.process.terminate()
        self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.pidfd)
