"""`atoll kernels`: what a plan can be made of."""

import argparse
import re
from typing import Any

from atoll.cli.options import add_json, example
from atoll.cli.report import print_json, print_table


class UnknownKernel(Exception):
    """No kernel has that name."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("name", nargs="?", help="only this one, with all that is known of it")
    parser.add_argument(
        "--receipts",
        action="store_true",
        help="run the golden vectors here and print a hash a kernel",
    )
    parser.add_argument(
        "--long",
        action="store_true",
        help="receipts of the long vectors, which only machines with an operating system run",
    )
    add_json(parser)
    example(parser, "atoll kernels", "atoll kernels quantiles", "atoll kernels --receipts --json")


def run(options: Any) -> int:
    """Print the catalogue, one kernel, or the receipts."""
    if options.receipts or options.long:
        return _receipts(options)
    from atoll.kernels import catalogue, users

    wanted = (*catalogue(), *users.installed())
    if options.name is not None:
        name = _find([{"name": kernel.name} for kernel in wanted], options.name)["name"]
        wanted = tuple(kernel for kernel in wanted if kernel.name == name)
    kernels = [_entry(kernel) for kernel in wanted]
    if options.json:
        print_json(kernels)
    elif options.name is not None:
        _show(kernels[0])
    else:
        print_table(
            ("kernel", "group", "signature", "RAM", "ops", "what it does"),
            [
                (
                    *(each["name"], each["group"], each["signature"]),
                    *(f"{each['ram_bytes']:,}", f"{each['ops']:g}", _first_sentence(each["doc"])),
                )
                for each in kernels
            ],
        )
    return 0


def _show(entry: dict[str, Any]) -> None:
    """A line for each thing that is known, and one for each argument's range."""
    for name, value in entry.items():
        if isinstance(value, dict):
            for argument, text in value.items():
                print(f"{argument:<16} {text}")
        elif value != "":
            print(f"{name:<16} {value}")


def _entry(kernel: Any) -> dict[str, Any]:
    """What is known of a kernel; its RAM is that of the example, beside the plan's own."""
    example = _example(kernel.name)
    own = sum(size for name, size in example.memories() if name == kernel.name)
    return {
        "name": kernel.name,
        "group": kernel.group,
        "signature": kernel.signature,
        "doc": kernel.doc,
        "source": kernel.source,
        "units": kernel.units,
        "ranges": {param.name: param.range for param in kernel.params},
        "error": kernel.error,
        "merge_error": kernel.merge_error,
        "special": kernel.special,
        "extreme": kernel.extreme,
        "empty": kernel.of_nothing,
        "ops": kernel.ops,
        "ram_bytes": own,
        "example": example.text,
        "plan_ram_bytes": example.cost().ram_bytes,
    }


def _example(name: str) -> Any:
    """The first plan of the kernel's receipt; of a user's kernel one that shows it."""
    from atoll.kernels import Plan, users
    from atoll.kernels.golden_models import golden_models
    from atoll.kernels.receipt import SHORT

    if (own := users.find(name)) is not None:
        return Plan(users.example(own))
    return Plan(SHORT.plans()[name][0], golden_models())


def _receipts(options: Any) -> int:
    from atoll.kernels.receipt import LONG, SHORT, receipts

    suite = LONG if options.long else SHORT
    found = {name: digest.hex() for name, digest in receipts(suite).items()}
    if options.name is not None:
        found = {
            options.name: found[_find([{"name": name} for name in found], options.name)["name"]]
        }
    if options.json:
        print_json(found)
    else:
        print_table(("kernel", "receipt"), sorted(found.items()))
    return 0


def _find(kernels: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for kernel in kernels:
        if kernel["name"] == name:
            return kernel
    from difflib import get_close_matches

    near = get_close_matches(name, [kernel["name"] for kernel in kernels], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; atoll kernels lists them"
    raise UnknownKernel(f"no kernel {name!r}{hint}")


def _first_sentence(text: str) -> str:
    return re.split(r"[.;:(]", text, maxsplit=1)[0].strip()
