"""The `atoll` command: find the verb, import its module only, turn every outcome into an exit code.

A verb is a module of this package with `add_arguments(parser)` and `run(options) -> int`. Nothing
else is imported before the verb is known: a device pays memory for each module that other verbs
need.

Exit codes: 0 ok, 1 failed, 2 usage, 3 incomplete, 4 unreachable; 130 and 143 after an interrupt or
SIGTERM. An error is one line on stderr (a plan's error keeps its caret lines); ATOLL_DEBUG=1 shows
where it came from.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

OK, FAILED, USAGE, INCOMPLETE, UNREACHABLE = range(5)

# verb -> (module of atoll.cli, one line of help), in the order in which --help shows them
GROUPS: dict[str, dict[str, tuple[str, str]]] = {
    "Data": {
        "put": ("put", "store recordings (.npy, .csv, .wav, or a directory with an index.json)"),
        "get": ("get", "fetch the raw samples of one stream"),
        "datasets": ("listing", "list the datasets"),
        "rm": ("order", "delete a dataset"),
        "retention": ("retention", "how long, and how much, is kept of a dataset"),
    },
    "Computation": {
        "run": ("run", "run a plan over a dataset, or over a file without a fleet"),
        "start": ("start", "start a standing job: a result for every new window"),
        "watch": ("watch", "follow the results of a standing job"),
        "stop": ("order", "end a standing job"),
        "jobs": ("listing", "list the jobs"),
        "cancel": ("order", "cancel a query"),
        "kernels": ("kernels", "what a plan can be made of"),
        "kernel": ("kernel", "write a kernel of your own, and check it"),
    },
    "Fleet": {
        "status": ("status", "the site in a few lines"),
        "devices": ("listing", "list the devices"),
        "shards": ("listing", "which devices hold which shards"),
        "explain": ("explain", "what would move, and how long it would take"),
        "drain": ("order", "move everything off a device before it is switched off"),
        "undrain": ("order", "let a drained device hold data again"),
        "forget": ("order", "remove a device that will not come back"),
        "trust": ("order", "let a device that is under audit work again"),
        "tap": ("tap", "every message of the site, decoded, one line each"),
    },
    "Running a site": {
        "demo": ("demo", "a whole site on this machine, with a device that dies"),
        "gateway": ("gateway", "run the gateway of a site"),
        "device": ("device", "run a device"),
        "provision": ("provision", "let a card with Raspberry Pi OS install Atoll and join"),
        "image": ("image", "make the image of a Raspberry Pi's SD card that joins the site"),
        "flash": ("flash", "write the firmware of a microcontroller, or a Raspberry Pi's SD card"),
        "emulate": ("emulate", "start microcontrollers in QEMU that join the site"),
        "serial": ("serial", "let microcontrollers on serial lines join the site"),
        "ledger": ("ledger", "check the gateway's ledger, or rebuild it from the devices"),
        "enroll": ("enroll", "make a one-time token for a new device"),
        "sim": ("sim", "what a site survives: thousands of runs under faults, each from its seed"),
        "doctor": ("doctor", "what is missing on this machine and how to get it"),
    },
}
VERBS = {verb: entry for group in GROUPS.values() for verb, entry in group.items()}


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; the entry point of the `atoll` script."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    except KeyboardInterrupt:
        print("atoll: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        if os.environ.get("ATOLL_DEBUG"):
            raise
        print(f"atoll: {_explain(error)}", file=sys.stderr)
        return int(getattr(error, "exit_code", FAILED))


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(), end="")
        return OK if words else USAGE
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"atoll {version('atoll')}")
        return OK
    if words[0] not in VERBS:
        print(f"atoll: {_unknown(words[0])}", file=sys.stderr)
        return USAGE
    name, says = VERBS[words[0]]
    module = import_module(f"atoll.cli.{name}")
    parser = argparse.ArgumentParser(
        prog=f"atoll {words[0]}",
        description=f"{says[:1].upper()}{says[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(verb=words[0])
    module.add_arguments(parser)
    options = parser.parse_args(words[1:])
    signal.signal(signal.SIGTERM, _terminated)
    code = int(module.run(options))
    sys.stdout.flush()
    return code


def overview() -> str:
    """The text of `atoll --help`."""
    lines = ["usage: atoll VERB [options]    (atoll VERB --help shows an example)", ""]
    for title, verbs in GROUPS.items():
        lines.append(f"{title}:")
        lines += [f"  {verb:<10} {entry[1]}" for verb, entry in verbs.items()]
        lines.append("")
    lines += [
        "The site is found by --broker and --site, or ATOLL_BROKER and ATOLL_SITE;",
        "a password by ATOLL_PASSWORD.",
        "Exit codes: 0 ok, 1 failed, 2 usage, 3 incomplete, 4 unreachable.",
    ]
    return "\n".join(lines) + "\n"


def _unknown(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, VERBS, n=1)
    return f"no verb {word!r}" + (f"; did you mean {near[0]!r}?" if near else "; see atoll --help")


def _explain(error: Exception) -> str:
    """Say in one line what went wrong; an error of ours keeps its own words."""
    kind = type(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    if kind.__module__.startswith("atoll."):
        return str(error)
    if isinstance(error, ImportError) and error.name and not error.name.startswith("atoll"):
        return f"the Python package {error.name!r} is missing; atoll doctor says how to get it"
    return f"internal error: {kind.__name__}: {error} (ATOLL_DEBUG=1 shows where)"


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Leave by way of every `finally`, as Ctrl-C does."""
    raise SystemExit(143)
