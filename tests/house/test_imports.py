"""Who may import whom, and what the deciding parts may not import at all (docs/layout.md)."""

import fnmatch
import subprocess
import sys

import pytest

# A package and the packages of ours that it may import. cli's verbs may import everything.
DIRECTIONS = {
    "kernels": set(),
    "wire": set(),
    "transport": {"wire"},
    "runtime": {"kernels", "wire", "transport"},
    "gateway": {"kernels", "wire", "transport"},
    "cli": {"kernels", "wire", "transport", "runtime", "gateway"},
}

# Modules that decide: no clock, socket, file, thread or chance of their own. A pattern a line;
# `test_patterns_match` fails when one no longer names anything.
PURE = (
    "kernels/*.py",
    "wire/*.py",
    "runtime/core*.py",
    "gateway/core*.py",
    "gateway/placement.py",
)
# Shells inside those patterns, each with its reason.
SHELLS: dict[str, str] = {}

FORBIDDEN = {
    "asyncio",
    "concurrent",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
    "uuid",
}

# Each costs the device megabytes (docs/layout.md has the figures); numpy is not even installed.
HEAVY = ("numpy", "asyncio", "dataclasses", "inspect", "sqlite3", "concurrent.futures")


def pure_modules(tree):
    return [
        module
        for module in tree.modules
        if str(module.path) not in SHELLS
        and any(fnmatch.fnmatch(str(module.path), pattern) for pattern in PURE)
    ]


def python(code, *, cwd):
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_directions(tree):
    wrong = [
        f"{module.path}:{line}: {module.package} may not import {name}"
        for module in tree.modules
        for line, name in module.imports()
        if name.startswith("atoll.")
        and name.split(".")[1] not in DIRECTIONS[module.package] | {module.package}
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_modules_import_no_world(tree):
    wrong = [
        f"{module.path}:{line}: a module that decides may not import {name}"
        for module in pure_modules(tree)
        for line, name in module.imports()
        if name.split(".")[0] in FORBIDDEN
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("pattern", [*PURE, *SHELLS])
def test_patterns_match(tree, pattern):
    assert any(fnmatch.fnmatch(str(module.path), pattern) for module in tree.modules)


def test_device_imports_nothing_heavy(tree):
    code = f"import sys, atoll.runtime.main; print(*(set({HEAVY}) & set(sys.modules)))"
    assert python(code, cwd=tree.root) == []


def test_no_module_is_loaded_twice(tree):
    # From the root of the checkout `import kernels` works too, and would make a second module.
    names = ", ".join(module.name for module in tree.modules if "__main__" not in module.name)
    code = f"import sys, {names}; print(*({set(DIRECTIONS)} & set(sys.modules)))"
    assert python(code, cwd=tree.root) == []
    assert not set(DIRECTIONS) & set(sys.modules)
