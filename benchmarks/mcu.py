"""Instructions of our kernels on Cortex-M0, M4F and M7, beside those of CMSIS-DSP's C sources.

    make bench-mcu         or: .venv/bin/python benchmarks/mcu.py

Both are compiled by the same compiler with the same flags (-O2, without contraction; CMSIS-DSP with
ARM_MATH_LOOPUNROLL, as its makers advise) and run on the same samples in one image under QEMU; a
plugin (kernels/parts/board_icount.c) counts every instruction between two marks. No cycles:
the emulator has no pipeline. On the M0 every float operation is a call into the compiler's library,
and its instructions count for both.

CMSIS-DSP comes as the source distribution of the package cmsisdsp, pinned by version and checksum,
through pip, and is kept under build/.

Writes build/bench/mcu.json: `geomean_to_cmsis_dsp` (ours over theirs, over all kernels and cores),
`slower`, `rows`. Exit 1 where the geometric mean is above 1.
"""

import hashlib
import json
import math
import os
import re
import sys
import tarfile
from pathlib import Path
from typing import Any

from atoll.kernels import emulate, portable
from atoll.kernels.emulate import CC, Failed, run

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "benchmarks" / "native" / "mcu"
BUILD = ROOT / "build" / "mcu"
OUTPUT = ROOT / "build" / "bench" / "mcu.json"

VERSION = "1.10.3"
SHA256 = "307d32298faa7c58db912851027fce35f886fec7eb1a27c4b309ce1a97f47519"
FLAGS = [
    "-std=c99",
    "-O2",
    "-ffp-contract=off",
    "-mthumb",
    "-ffunction-sections",
    "-fdata-sections",
]
CMSIS_FLAGS = ["-DARM_MATH_LOOPUNROLL", "-w"]

# Folders of CMSIS-DSP's sources that the pairs draw from; the linker leaves out what is not used.
GROUPS = {
    "StatisticsFunctions": r"arm_(mean|rms|power|(abs)?(max|min)(_no_idx)?)_(f32|q15|q31)",
    "BasicMathFunctions": r"arm_(abs|clip|scale|offset|sub|mult|dot_prod)_(f32|q15|q31)",
    "FilteringFunctions": r"arm_(fir|biquad_cascade_df2T)(_init)?_f32",
    "SupportFunctions": r"arm_q(15|31)_to_float",
    "ComplexMathFunctions": r"arm_cmplx_mag_squared_f32",
    "FastMathFunctions": r"arm_sqrt_q(15|31)",
    "TransformFunctions": r"arm_(rfft_fast|cfft|cfft_radix8)(_init)?_f32|arm_bitreversal2?",
    "CommonTables": r"arm_(common|const)_(tables|structs)",
}


CORES = ("m0", "m4f", "m7")


def cmsis() -> Path:
    """The folder of CMSIS-DSP's sources, fetched where they are not there yet."""
    folder = BUILD / f"cmsisdsp-{VERSION}"
    if folder.is_dir():
        return folder
    archive = BUILD / f"cmsisdsp-{VERSION}.tar.gz"
    if not archive.exists():
        wanted = [f"cmsisdsp=={VERSION}", "--no-deps", "--no-binary", "cmsisdsp", "-d", str(BUILD)]
        run(sys.executable, "-m", "pip", "-q", "download", *wanted, timeout_s=900)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        archive.unlink()
        raise Failed(f"{archive.name}: its SHA-256 is {found}, not {SHA256}")
    # Python before 3.11.4 has no filters; the checksum has said what is in it.
    safe: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(archive) as whole:
        whole.extractall(BUILD, **safe)
    return folder


def includes(source: Path) -> list[str]:
    """The compiler's words for the headers of CMSIS-DSP, and ours in place of CMSIS-Core's."""
    return [f"-I{folder}" for folder in (NATIVE, source / "Include", source / "PrivateInclude")]


def library(core: str) -> list[Path]:
    """CMSIS-DSP's functions that are compared, compiled for a core."""
    source, out = cmsis(), BUILD / core / "cmsis"
    out.mkdir(parents=True, exist_ok=True)
    include = includes(source)
    made = []
    for group, names in GROUPS.items():
        for path in sorted((source / "Source" / group).glob("*.c")):
            if not re.fullmatch(names, path.stem):
                continue
            made.append(out / f"{path.stem}.o")
            if not made[-1].exists():
                flags = [*FLAGS, *CMSIS_FLAGS, *emulate.CORES[core].flags, *include]
                run(CC, *flags, "-c", path, "-o", made[-1])
    return made


def image(core: str) -> Path:
    """The program of all pairs for a core."""
    source, flags = cmsis(), [*FLAGS, *emulate.CORES[core].flags, "-Wno-unused-function"]
    objects = [*library(core), BUILD / core / "pairs.o"]
    words = [*flags, "-I", str(BUILD), *includes(source)]
    run(CC, *words, "-c", NATIVE / "pairs.c", "-o", objects[-1])
    return emulate.link(core, FLAGS, objects, BUILD / core / "pairs.elf")


def pairs() -> list[str]:
    """Names of the pairs, in the order in which they run."""
    return re.findall(r"^    PAIR\((\w+),", (NATIVE / "pairs.c").read_text(), re.MULTILINE)


def counts(core: str, program: Path, counter: Path) -> list[int]:
    """Instructions of ours and theirs, pair after pair."""
    names = pairs()
    try:
        found = emulate.execute(core, program, counter).counts[::2]
    except Failed as error:
        if 0 < error.code <= len(names):
            raise Failed(f"{core}: ours and theirs differ on {names[error.code - 1]}") from None
        raise
    empty, *rest = found
    return [each - empty for each in rest]


def measure(core: str, counter: Path) -> list[dict[str, Any]]:
    """A row a pair."""
    found, names = counts(core, image(core), counter), pairs()
    if len(found) != 2 * len(names):
        raise Failed(f"{core}: {len(found)} counts of {len(names)} pairs")
    return [
        {
            "kernel": name,
            "core": core,
            "ours": found[2 * k],
            "cmsis_dsp": found[2 * k + 1],
            "ratio": round(found[2 * k] / found[2 * k + 1], 3),
        }
        for k, name in enumerate(names)
    ]


def geomean(ratios: list[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def show(rows: list[dict[str, Any]]) -> None:
    """A line a kernel: ours, theirs and the ratio, core by core."""
    print(f"{'instructions':<14}" + "".join(f"{core:>26}" for core in CORES))
    for name in pairs():
        cells = [row for row in rows if row["kernel"] == name]
        shown = (f"{c['ours']:>9,} {c['cmsis_dsp']:>9,} {c['ratio']:>6.2f}" for c in cells)
        print(f"{name:<14}" + "".join(shown))


def main() -> int:
    """Exit code: 0 where the geometric mean is at most 1."""
    missing = emulate.missing()
    if missing:
        print(f"not installed (scripts/setup check): {', '.join(missing)}", file=sys.stderr)
        return int(os.environ.get("CI") == "true")
    try:
        BUILD.mkdir(parents=True, exist_ok=True)
        portable.write(BUILD)
        counter = emulate.plugin(BUILD)
        rows = [row for core in CORES for row in measure(core, counter)]
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    show(rows)
    each = {core: geomean([r["ratio"] for r in rows if r["core"] == core]) for core in CORES}
    result: dict[str, Any] = {
        "geomean_to_cmsis_dsp": round(geomean([row["ratio"] for row in rows]), 4),
        "geomean_by_core": {core: round(value, 4) for core, value in each.items()},
        "slower": [f"{r['kernel']} on {r['core']}: {r['ratio']}" for r in rows if r["ratio"] > 1],
        "cmsis_dsp": VERSION,
        "flags": " ".join(FLAGS),
        "rows": rows,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"geometric mean to CMSIS-DSP: {result['geomean_to_cmsis_dsp']}  {each}")
    print(f"slower: {'; '.join(result['slower']) or 'none'}\nwritten: {OUTPUT.relative_to(ROOT)}")
    return int(result["geomean_to_cmsis_dsp"] > 1)


if __name__ == "__main__":
    sys.exit(main())
