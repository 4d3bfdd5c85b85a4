"""A user's kernel, tried: here against its twin, on emulated boards against what it gives here.

Nothing is installed: the extension is compiled into a folder of its own and loaded from there.
"""

import importlib.machinery
import importlib.util
import math
import re
import sysconfig
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from atoll.kernels import emulate, golden, portable, user_source, users
from atoll.kernels.errors import KernelError
from atoll.kernels.plan import Plan
from atoll.kernels.receipt import FNV_OFFSET, fnv1a

SAMPLES, WINDOW = 256, 64
FLAGS = ["-std=c99", "-Os", "-ffp-contract=off", "-mthumb", "-ffunction-sections", "-fstack-usage"]


class Tried(NamedTuple):
    """What a kernel did on this machine."""

    name: str
    kind: str
    vectors: int
    worst: float  # largest error relative to the twin
    receipt: str


class Board(NamedTuple):
    """What a kernel takes of a board: bytes of code and of stack, of a plan's state beside its
    window, instructions a sample (the interpreter among them); whether its bits are this machine's.
    """

    core: str
    flash: int
    stack: int
    ram: int
    instructions: float
    equal: bool


def built(path: Path, folder: Path) -> ModuleType:
    """The extension `_NAME_kernel` of a source, compiled in `folder` and loaded."""
    kernel = user_source.read(path)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"_{kernel.name}_kernel"
    source = folder / f"{name}.c"
    source.write_text(user_source.module_c(kernel))
    made = folder / f"{name}.so"
    include = [f"-I{sysconfig.get_paths()['include']}", f"-I{portable.FOLDER}"]
    flags = ["-std=c99", "-O2", "-ffp-contract=off", "-fPIC", "-shared", "-Wno-unused-function"]
    emulate.run("gcc", *flags, *include, source, "-o", made, "-lm")
    loader = importlib.machinery.ExtensionFileLoader(name, str(made))
    spec = importlib.util.spec_from_file_location(name, made, loader=loader)
    if spec is None:
        raise KernelError(f"{made} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def text_of(name: str, kind: str, numbers: Sequence[float]) -> str:
    """A plan that shows all that the kernel gives."""
    call = " ".join([name, *(f"{number:.9g}" for number in numbers)])
    return f"window {WINDOW} | {call}" if kind == "feature" else f"{call} | sum"


def numbers_of(described: Any) -> tuple[float, ...]:
    """Arguments to try it with: TRY where it is given, else the defaults."""
    given = getattr(described, "TRY", None)
    if given is not None:
        return tuple(given)
    return tuple(float(param.default) for param in getattr(described, "PARAMS", ()))


def tried(path: Path, folder: Path) -> Tried:
    """Run a kernel here: over its own vectors against its twin, and over the golden ones."""
    module, described = built(path, folder), user_source.described(path)
    kernel = users.add(path.stem, described, module)
    numbers = numbers_of(described)
    worst, count = 0.0, 0
    for vector in (*described.VECTORS, *finite_vectors()):
        worst = max(worst, _error(kernel.name, kernel.group, described, list(vector), numbers))
        count += 1
    if not worst <= described.ERROR:
        raise KernelError(
            f"{path.stem} is {worst:.3g} from its twin (relative), ERROR says {described.ERROR:g}"
        )
    plan = Plan(text_of(kernel.name, kernel.group, numbers))
    return Tried(kernel.name, kernel.group, count, worst, receipt(plan))


def finite_vectors() -> list[list[float]]:
    """Golden windows without NaN and infinity."""
    found = array("f", golden.vector("f32", "noise", SAMPLES))
    return [list(found[at : at + WINDOW]) for at in range(0, SAMPLES, WINDOW)]


def _error(
    name: str, kind: str, described: Any, samples: list[float], numbers: tuple[float, ...]
) -> float:
    """How far the kernel is from its twin on one vector, relative to the twin's largest number."""
    call = " ".join([name, *(f"{number:.9g}" for number in numbers)])
    given = array("f", samples)
    exact = described.reference(list(given), numbers)
    if kind == "feature":
        found = Plan(f"window {len(given)} | {call}").run(given)[name]
        wanted = [exact]
    else:
        # A window of one sample hands each through.
        found = Plan(f"{call} | window 1 | mean").run(given)["mean"]
        wanted = exact
    found = found if isinstance(found, list) else [found]
    if len(found) != len(wanted):
        raise KernelError(f"{name} gave {len(found)} numbers, its twin {len(wanted)}")
    most = max((abs(x) for x in wanted if math.isfinite(x)), default=0.0) or 1.0
    return max(_apart(a, b, most) for a, b in zip(found, wanted, strict=True))


def _apart(found: float, wanted: float, most: float) -> float:
    if math.isnan(wanted) or math.isinf(wanted):
        same = math.isnan(found) if math.isnan(wanted) else found == wanted
        return 0.0 if same else math.inf
    return abs(found - wanted) / most


def receipt(plan: Plan) -> str:
    """The hash of what the plan makes of the golden vectors, as a board computes it."""
    state = FNV_OFFSET
    for case in golden.CASES:
        machine = plan.machine("f32")
        rows = machine.push(array("f", golden.vector("f32", case, SAMPLES)), 0, SAMPLES, SAMPLES)
        state = fnv1a(rows if plan.rows else machine.partial()[12:], state)
    return f"{state:016x}"


_MAIN = """\
#include "atoll_kernels.h"

void image_mark(void);
void image_say(const char *text);

static const uint32_t words[] = {{{words}}};
static const uint32_t samples[{cases}][{count}] = {{{samples}}};
static uint64_t state[{state}], bytes[256];

int main(void)
{{
    static char digits[17];
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    struct atoll_plan *plan = (struct atoll_plan *)(void *)state;
    uint32_t k, width;
    size_t used, i;
    for (k = 0; k < {cases}u; k++) {{
        if (atoll_plan_init(state, sizeof state, words, sizeof words / 4u) != 0u) {{
            return 1;
        }}
        image_mark();
        if (atoll_plan_push(plan, samples[k], {count}u, (float *)(void *)bytes, 256) != 0u) {{
            return 2;
        }}
        image_mark();
        i = 0;
        used = 4u * atoll_plan_take_rows(plan, &width);
        if ({partial}) {{
            i = 12;
            if (atoll_plan_partial(plan, (uint8_t *)bytes, sizeof bytes, &used) != 0u) {{
                return 3;
            }}
        }}
        for (; i < used; i++) {{
            hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001B3);
        }}
    }}
    for (i = 0; i < 16u; i++) {{
        digits[i] = "0123456789abcdef"[(hash >> (60u - 4u * i)) & 15u];
    }}
    image_say(digits);
    return 0;
}}
"""


def main_c(plan: Plan) -> str:
    """A board's program: the plan over the golden vectors, and the hash of what it gives."""
    words = array("I", plan.words("f32"))
    vectors = [array("I", golden.vector("f32", case, SAMPLES)) for case in golden.CASES]
    return _MAIN.format(
        words=", ".join(f"{word:#x}u" for word in words),
        cases=len(vectors),
        count=SAMPLES,
        samples=", ".join("{" + ", ".join(f"{w:#x}u" for w in v) + "}" for v in vectors),
        state=(plan.cost().ram_bytes + 7) // 8,
        partial=int(not plan.rows),
    )


def sources(path: Path, plan: Plan, folder: Path) -> None:
    """The amalgamation with the kernel and little else, and the program, in `folder`."""
    portable.write(folder, [name for name in plan.kernels if name != path.stem], [path])
    (folder / "main.c").write_text(main_c(plan))


def on_board(path: Path, core: str, plan: Plan, folder: Path, counter: Path) -> Board:
    """Build and run the kernel for a core; `sources` has written the C."""
    objects, flags = [], [*FLAGS, *emulate.CORES[core].flags, f"-I{folder}"]
    for name in ("atoll_kernels", "main"):
        objects.append(folder / f"{name}-{core}.o")
        emulate.run(emulate.CC, *flags, "-c", folder / f"{name}.c", "-o", objects[-1])
    image = emulate.link(core, FLAGS, objects, folder / f"{core}.elf")
    ran = emulate.execute(core, image, counter)
    listed = emulate.run(emulate.NM, "-S", image)
    own = rf"^\w+ (\w+) \w atoll_user_{path.stem}_"
    flash = sum(int(size, 16) for size in re.findall(own, listed, re.MULTILINE))
    usage = (folder / f"atoll_kernels-{core}.su").read_text()
    stack = re.findall(rf":atoll_user_{path.stem}_\w+\t(\d+)\t", usage)
    beside = plan.cost().ram_bytes - (4 * plan.window if plan.window_given else 0)
    instructions = sum(ran.counts[::2]) / (len(golden.CASES) * SAMPLES)
    equal = ran.printed.strip() == receipt(plan)
    return Board(core, flash, sum(map(int, stack)), beside, round(instructions, 1), equal)
