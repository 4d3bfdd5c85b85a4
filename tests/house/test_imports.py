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
    "sim": {"kernels", "wire", "transport", "runtime", "gateway"},
    "cli": {"kernels", "wire", "transport", "runtime", "gateway", "sim"},
}

# Modules that decide: no clock, socket, file, thread or chance of their own. Whatever of ours they
# import decides too, so the rest of a core follows from its door; `test_patterns_match` fails when
# a pattern no longer names anything.
PURE = (
    "kernels/*.py",
    "wire/*.py",
    "runtime/core*.py",
    "gateway/core*.py",
    "gateway/placement.py",
    "gateway/feed.py",
    "gateway/standby.py",
)
# Shells inside those patterns, each with its reason.
SHELLS = {
    "kernels/builds.py": "asks the processor and the environment, once, which build is to run",
    "kernels/emulate.py": "runs compilers and emulators, for those who write a kernel",
}

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
    """The modules of PURE and, of our packages, all that they import at run time."""
    by_name = {module.name: module for module in tree.modules}
    todo = [
        module
        for module in tree.modules
        if any(fnmatch.fnmatch(str(module.path), pattern) for pattern in PURE)
    ]
    found = {}
    while todo:
        module = todo.pop()
        # A package's __init__ loads lazily; what it could load is not what it loads.
        if module.path.name == "__init__.py" or module.name in found or str(module.path) in SHELLS:
            continue
        found[module.name] = module
        for _, name in module.imports(types=False):
            # `from atoll.wire import limits` names a module, `... .limits import X` a name in one.
            todo += [by_name[n] for n in (name, name.rpartition(".")[0]) if n in by_name]
    return list(found.values())


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


def test_cores_are_more_than_their_doors(tree):
    packages = [module.package for module in pure_modules(tree)]
    assert packages.count("runtime") > 5
    assert packages.count("gateway") > 5


def test_device_imports_nothing_heavy(tree):
    code = f"import sys, atoll.runtime.main; print(*(set({HEAVY}) & set(sys.modules)))"
    assert python(code, cwd=tree.root) == []


def test_no_module_is_loaded_twice(tree):
    # From the root of the checkout `import kernels` works too, and would make a second module.
    names = ", ".join(module.name for module in tree.modules if "__main__" not in module.name)
    code = f"import sys, {names}; print(*({set(DIRECTIONS)} & set(sys.modules)))"
    assert python(code, cwd=tree.root) == []
    assert not set(DIRECTIONS) & set(sys.modules)
