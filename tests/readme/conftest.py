"""The README cut into its sections and fenced blocks, so that what it says can be run."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"^## (.+)$")
FENCE = re.compile(r"^```(\w*)$")


class Block(NamedTuple):
    """One fenced block."""

    section: str
    language: str
    line: int
    text: str


class Readme(NamedTuple):
    """The README's sections in order, and its blocks."""

    sections: tuple[str, ...]
    blocks: tuple[Block, ...]

    def commands(self, section: str | None = None) -> list[str]:
        """The lines of shell blocks, of one section or all."""
        return [
            line
            for block in self.blocks
            if block.language == "sh" and section in (None, block.section)
            for line in block.text.splitlines()
            if line and not line.startswith("#")
        ]

    def python(self) -> Block:
        """The one Python block."""
        (block,) = (block for block in self.blocks if block.language == "python")
        return block


def parse(text: str) -> Readme:
    """Cut a page at its second-level headings and fences; other headings are text."""
    sections: list[str] = []
    blocks: list[Block] = []
    inside: list[str] | None = None
    language, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if inside is not None:
            if line == "```":
                section = sections[-1] if sections else ""
                blocks.append(Block(section, language, start, "\n".join(inside) + "\n"))
                inside = None
            else:
                inside.append(line)
        elif fence := FENCE.match(line):
            inside, language, start = [], fence[1], number
        elif heading := HEADING.match(line):
            sections.append(heading[1])
    if inside is not None:
        raise ValueError(f"README.md: the fence of line {start} is never closed")
    return Readme(tuple(sections), tuple(blocks))


@pytest.fixture(scope="session")
def readme() -> Readme:
    """The README of this checkout."""
    return parse((ROOT / "README.md").read_text())
