"""What the house rules look at: the files of the tree, and the modules of the packages."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kernels", "wire", "transport", "runtime", "gateway", "sim", "cli")
BUILT = {"build", "dist", ".venv", ".git"}


class Module(NamedTuple):
    """One Python file of a package, parsed."""

    path: Path
    package: str
    name: str  # dotted, under atoll: "atoll.runtime.core"
    tree: ast.Module

    def imports(self, *, types: bool = True) -> Iterator[tuple[int, str]]:
        """Line and dotted name of every import, relative ones made absolute.

        Without `types` those under `if TYPE_CHECKING` are left out: they never run.
        """
        skipped = set() if types else set(self._type_checking())
        for node in ast.walk(self.tree):
            if node in skipped:
                continue
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        base = node.module or ""
        if not node.level:
            return base
        parent = self.name.split(".")
        keep = len(parent) - node.level + (self.path.name == "__init__.py")
        return ".".join([*parent[:keep], *base.split(".")]).rstrip(".")

    def _type_checking(self) -> Iterator[ast.AST]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                yield from (inner for child in node.body for inner in ast.walk(child))


class Tree(NamedTuple):
    """The repository as it would be committed."""

    root: Path
    files: tuple[Path, ...]  # relative to root
    modules: tuple[Module, ...]


def listed_files() -> tuple[Path, ...]:
    """What git tracks or would add; outside a git checkout, whatever is not a build product."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = [Path(name) for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = [
            path.relative_to(ROOT)
            for path in ROOT.rglob("*")
            if not BUILT & set(path.relative_to(ROOT).parts) and path.suffix not in {".so", ".pyc"}
        ]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def parsed_modules(files: tuple[Path, ...]) -> Iterator[Module]:
    """Every .py file of the packages."""
    for path in files:
        if path.parts[0] in PACKAGES and path.suffix == ".py":
            dotted = ["atoll", *path.with_suffix("").parts]
            name = ".".join(dotted[:-1] if dotted[-1] == "__init__" else dotted)
            yield Module(path, path.parts[0], name, ast.parse((ROOT / path).read_text()))


@pytest.fixture(scope="session")
def tree() -> Tree:
    """The files of the checkout, read once."""
    files = listed_files()
    return Tree(ROOT, files, tuple(parsed_modules(files)))
