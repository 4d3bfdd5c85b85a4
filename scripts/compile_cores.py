"""Compile the cores and the simulator with mypyc, from the same sources, for long runs.

    .venv/bin/python scripts/compile_cores.py      prints the folder for PYTHONPATH, build/compiled

A copy of the packages is made there, and those modules that a simulated site loads are compiled in
it; nothing in the checkout changes, and nothing of it is ever installed. Types that are checked
become C, NamedTuples are made by quick_tuples.c, and what is looked up by name is kept by
inline_caches.h, so that the same decisions take less than half of the time; that they are the same
is seen each time: a site runs the same seeds both ways, and their traces, a sum over every message
and its time, have to be equal.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

OUTPUT = Path("build/compiled")
QUICK_TUPLES = Path(__file__).with_name("quick_tuples.c")
INLINE_CACHES = Path(__file__).with_name("inline_caches.h")
PACKAGES = ("kernels", "wire", "transport", "runtime", "gateway", "sim")
COMPILED = ("wire", "runtime", "gateway", "sim")
# Of the kernels' Python, what lays out pieces and reads partials. Not `numbers`: there a quotient
# of large integers is rounded twice, and a result's last bit is another one.
KERNELS = {f"atoll.kernels.{name}" for name in ("finish", "geometry", "samples")}
# What stays as it is, and what mypyc (of mypy 1.11 to 1.19) makes of it otherwise.
AS_IT_IS = {
    "atoll.gateway.feeder": "a shell, which a simulated host gives a loop and a ledger of its own",
    "atoll.gateway.shell": "the same",
    "atoll.gateway.standby_shell": "the same",
    "atoll.runtime.workers": "an attribute _thread becomes a keyword of C",
    "atoll.wire.schema": "a positional argument and a field by name may not have the same name",
    "atoll.wire._cbor": "the other build of what is C already",
}
SETTINGS = """[mypy]
check_untyped_defs = true
ignore_missing_imports = true
mypy_path = .
explicit_package_bases = true
namespace_packages = true
"""
BUILD = """import glob, os
from concurrent.futures import ThreadPoolExecutor
from mypyc.build import mypycify
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

words = ["--config-file", "mypy.ini", *open("modules").read().split()]
cores = mypycify(words, opt_level="2", debug_level="0", multi_file=True)
[header] = glob.glob("build/__native_internal_*.h")  # included last by all that is generated
with open(header, "a") as file:
    file.write('#include "../inline_caches.h"\\n')

class Build(build_ext):
    # The files of an extension, a compiler a core; distutils takes one after the other.
    def build_extensions(self):
        self.compiler.compile = self.compile_files
        super().build_extensions()

    def compile_files(self, sources, output_dir=None, macros=None, include_dirs=None, debug=0,
                      extra_preargs=None, extra_postargs=None, depends=None):
        compiler = self.compiler
        macros, objects, after, before, build = compiler._setup_compile(
            output_dir, macros, include_dirs, sources, depends, extra_postargs)
        usual = compiler._get_cc_args(before, debug, extra_preargs)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for done in [pool.submit(compiler._compile, name, *build[name], usual, after, before)
                         for name in objects]:
                done.result()
        return objects

cores.append(Extension("quick_tuples", ["quick_tuples.c"]))
setup(name="cores", ext_modules=cores, cmdclass={"build_ext": Build})
"""
# Calls from one module to another one need not go by way of a table.
FLAGS = "-fvisibility=hidden"
# What Python runs first, where the copy's folder is on its path.
BEGIN = """import collections
from quick_tuples import quicken
usual = collections.namedtuple
def namedtuple(*words, **options):
    made = usual(*words, **options)
    return quicken(made) if options.get("module") else made  # one of typing.NamedTuple
collections.namedtuple = namedtuple
"""
LOADED = "import sys, atoll.sim.runner; print(*(n for n in sys.modules if n.startswith('atoll.')))"
TRACES = """import json
from atoll.sim.site import Setup, Site
import atoll.gateway.jobs as jobs
runs = [(s, Setup(hours=0.004)) for s in (*range(6), 12, 22, 27, 33, 35, 36)]  # pairs: the last six
runs.append((1, Setup(devices=12, hours=0.002)))
traces = [(o.events, o.trace) for o in (Site(*run).run() for run in runs)]
print(json.dumps([jobs.__file__.endswith(".py"), traces]))
"""


def sources() -> list[Path]:
    """All that the copy consists of."""
    return [
        path
        for package in PACKAGES
        for path in sorted(Path(package).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def digest(paths: list[Path]) -> str:
    """Of their content, of this program and of the compiler."""
    summed = hashlib.sha256()
    for program in (Path(__file__), QUICK_TUPLES, INLINE_CACHES):
        summed.update(program.read_bytes())
    summed.update(sys.version.encode())
    for path in paths:
        summed.update(str(path).encode() + b"\0" + path.read_bytes())
    return summed.hexdigest()


def run(words: list[str], folder: Path | None = None, **more: str) -> str:
    """What a command prints; SystemExit with its last words where it fails."""
    environment = {**os.environ, **more}
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"compile_cores: {' '.join(words[:3])}\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def modules() -> list[str]:
    """Paths of the modules to compile, from the copy's root."""
    loaded = run([sys.executable, "-c", LOADED]).split()
    paths = []
    for name in loaded:
        parts = name.split(".")
        path = Path(*parts[1:]).with_suffix(".py")
        wanted = len(parts) > 2 and parts[1] in COMPILED and name not in AS_IT_IS
        if (wanted or name in KERNELS) and path.exists():
            paths.append(f"atoll/{path}")
    return sorted(paths)


def compile_all(folder: Path) -> None:
    """Make the copy, and compile in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in sources():
        to = folder / "atoll" / path
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    (folder / "mypy.ini").write_text(SETTINGS)
    (folder / "build.py").write_text(BUILD)
    (folder / "modules").write_text("\n".join(modules()))
    for path in (QUICK_TUPLES, INLINE_CACHES):
        shutil.copyfile(path, folder / path.name)
    run([sys.executable, "build.py", "build_ext", "--inplace"], folder, CFLAGS=FLAGS)
    (folder / "sitecustomize.py").write_text(BEGIN)


def compare(folder: Path) -> None:
    """SystemExit unless a site does the same compiled and not."""
    command = [sys.executable, "-c", TRACES]
    plain, usual = json.loads(run(command))
    native, found = json.loads(run(command, PYTHONPATH=str(folder.resolve())))
    if not plain or native:
        sys.exit("compile_cores: the compiled modules are not those that are imported")
    if usual != found:
        sys.exit(f"compile_cores: compiled, a site does otherwise: {found}, and not {usual}")


def compiled(folder: Path = OUTPUT) -> Path:
    """The folder with compiled packages, made again where a source has changed since."""
    stamp, wanted = folder / "stamp", digest(sources())
    if not stamp.exists() or stamp.read_text() != wanted:
        print("compiling the cores, some minutes", file=sys.stderr, flush=True)
        compile_all(folder)
        compare(folder)
        stamp.write_text(wanted)
    return folder.resolve()


if __name__ == "__main__":
    print(compiled())
