"""How the extensions are built: the numeric contract's flags, and that it is they that run."""

import importlib.machinery
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

REQUIRED = ("-std=c99", "-ffp-contract=off")
# Each changes results: reassociation, contraction by target, or a libm of the machine's own.
BANNED = re.compile(r"-ffast-math|-Ofast|-march=|-mfma|-funsafe|-fassociative|-std=gnu")

# Stands in for the compiler: notes its arguments and makes the file that was asked for.
RECORDER = """#!{python}
import json, pathlib, sys
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "-o" in sys.argv:
    pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).touch()
"""


def extension_sources(tree):
    """Those that every machine has; a second build of one is for some processors only."""
    return [path for path in tree.files if path.name == "_native.pyx"]


@pytest.fixture(scope="module")
def commands(tree, tmp_path_factory):
    """The command lines that setup.py hands to the compiler."""
    folder = tmp_path_factory.mktemp("cc")
    log, compiler = folder / "log", folder / "cc"
    compiler.write_text(RECORDER.format(python=sys.executable, log=str(log)))
    compiler.chmod(0o755)
    build = ["build_ext", "--force", "--build-lib", str(folder), "--build-temp", str(folder)]
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", *build],
        cwd=tree.root,
        env={**os.environ, "CC": str(compiler), "LDSHARED": f"{compiler} -shared"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_flags_of_every_compilation(tree, commands):
    compilations = [words for words in commands if "-c" in words]
    assert len(compilations) >= len(extension_sources(tree)) > 0
    for words in compilations:
        assert all(flag in words for flag in REQUIRED), words
        assert not [word for word in words if BANNED.match(word)], words


def test_compiled_modules_are_imported(tree):
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    for path in extension_sources(tree):
        name = ".".join(["atoll", *path.with_suffix("").parts])
        module = importlib.import_module(name)
        assert module.__file__.endswith(suffixes), f"{name} is {module.__file__}"


def test_compiled_functions_have_docstrings(tree):
    # ruff asks the same of every .py file.
    silent = []
    for path in extension_sources(tree):
        module = importlib.import_module(".".join(["atoll", *path.with_suffix("").parts]))
        public = [name for name in vars(module) if not name.startswith("_")]
        called = [name for name in public if callable(getattr(module, name))]
        assert called, path
        silent += [f"{path}: {name}" for name in called if not getattr(module, name).__doc__]
    assert not silent, "\n".join(silent)


def test_packages_of_setup_and_tools_agree(tree):
    project = tomllib.loads((tree.root / "pyproject.toml").read_text())
    folders = {path.parts[0] for path in tree.files if path.name == "py.typed"}
    named = {name.removeprefix("atoll.") for name in project["tool"]["mypy"]["packages"]}
    assert named == folders
    assert set(project["tool"]["coverage"]["run"]["source"]) == folders
    banned = project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    assert set(banned) == folders
    assert {folder.name for folder in (tree.root / "build/ns/atoll").iterdir()} == folders
