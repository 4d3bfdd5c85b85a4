"""What the README says about commands is true, before any of them is run."""

import re
import shlex
import subprocess
import sys

import pytest

from atoll.cli.main import VERBS

# What the two-boards section writes for a value that only the reader has.
ORDER = (
    "Two commands",
    "Ten lines of Python",
    "The command",
    "Topics",
    "From the demonstration to two real boards",
    "Limits",
)


def atoll_lines(readme):
    lines = [line for line in readme.commands() if line.startswith("atoll ")]
    assert lines
    return lines


def help_of(verb):
    command = [sys.executable, "-m", "atoll.cli", verb, "--help"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_order_of_sections(readme):
    assert readme.sections == ORDER


def test_two_commands_are_the_first_block(readme):
    assert readme.blocks[0].text == "make demo\nmake test\n"


def test_ten_lines_of_python(readme):
    code = [line for line in readme.python().text.splitlines() if line.strip()]
    assert len(code) <= 12


def test_commands_use_options_that_exist(readme):
    for line in atoll_lines(readme):
        words = shlex.split(line.removesuffix("&"))
        assert words[1] in VERBS, line
        text = help_of(words[1])
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", text), f"{line}: atoll {words[1]} has no {option}"


def test_verbs_in_the_text_exist(readme, request):
    text = (request.config.rootpath / "README.md").read_text()
    named = set(re.findall(r"`atoll ([a-z]+)", text))
    assert named <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb):
    assert "example" in help_of(verb)


def test_plans_in_the_text_are_plans(request):
    from atoll.kernels import Plan

    text = (request.config.rootpath / "README.md").read_text()
    plans = set(re.findall(r"[`\"](window \d+ \|[^`\"]+)[`\"]", text))
    assert plans
    for plan in plans:
        assert Plan(plan).step > 0
