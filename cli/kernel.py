"""`atoll kernel new` and `atoll kernel check`: kernels of one's own."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from atoll.cli.options import add_json, example
from atoll.cli.report import print_json, print_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("action", choices=("new", "check"), help="write a template, or try a file")
    parser.add_argument("target", metavar="NAME|FILE.pyx", help="new: its name; check: its source")
    parser.add_argument(
        "--kind",
        choices=("feature", "sample"),
        default="feature",
        help="new: a number of a window, or samples to samples (default feature)",
    )
    parser.add_argument(
        "--into", type=Path, metavar="DIR", help="new: the folder to write to (default NAME)"
    )
    parser.add_argument(
        "--no-boards", action="store_true", help="check: leave the emulated boards out"
    )
    add_json(parser)
    example(
        parser,
        "atoll kernel new loudness",
        "atoll kernel check loudness/loudness.pyx",
        "atoll kernel check loudness/loudness.pyx --no-boards --json",
    )


def run(options: Any) -> int:
    """Write the template, or check a kernel and say what it takes."""
    if options.action == "new":
        return _new(options)
    return _check(options)


def _new(options: Any) -> int:
    from atoll.kernels import user_new

    folder = options.into or Path(options.target)
    written = user_new.write(options.target, options.kind, folder)
    if options.json:
        print_json([str(path) for path in written])
    else:
        for path in written:
            print(path)
        print(f"next: edit them, then: atoll kernel check {written[0]}")
    return 0


def _check(options: Any) -> int:
    from atoll.kernels import emulate, user_try

    path = Path(options.target)
    with TemporaryDirectory() as folder:
        tried = user_try.tried(path, Path(folder))
        if not options.json:
            print(f"{tried.name}: a {tried.kind}, inside the subset")
            print(f"{tried.vectors} vectors: at most {tried.worst:.2g} from the twin")
            print(f"receipt {tried.receipt}")
        missing = emulate.missing()
        boards = []
        if not options.no_boards and not missing:
            boards = _boards(path, Path(folder), show=not options.json)
    if options.json:
        print_json({**tried._asdict(), "boards": [board._asdict() for board in boards]})
    elif boards:
        _show(boards)
    elif missing and not options.no_boards:
        print(f"no boards: {', '.join(missing)} not installed; atoll doctor says how to get them")
    return int(not all(board.equal for board in boards))


def _boards(path: Path, folder: Path, *, show: bool) -> list[Any]:
    from atoll.kernels import emulate, user_source, user_try, users
    from atoll.kernels.plan import Plan

    kernel = users.find(path.stem)
    assert kernel is not None  # `tried` has added it
    numbers = user_try.numbers_of(user_source.described(path))
    plan = Plan(user_try.text_of(kernel.name, kernel.group, numbers))
    user_try.sources(path, plan, folder)
    counter = emulate.plugin(folder)
    found = []
    for core in emulate.CORES:
        if show:
            print(f"running on an emulated Cortex-{core.upper()} ...", flush=True)
        found.append(user_try.on_board(path, core, plan, folder, counter))
    return found


def _show(boards: list[Any]) -> None:
    heads = ("core", "flash", "stack", "state", "instructions a sample", "same bits")
    print_table(
        heads,
        [
            (
                board.core,
                str(board.flash),
                str(board.stack),
                str(board.ram),
                str(board.instructions),
                "yes" if board.equal else "NO",
            )
            for board in boards
        ],
    )
