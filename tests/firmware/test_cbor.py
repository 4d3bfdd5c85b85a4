"""The firmware's CBOR accepts, refuses, reads and writes as the Python codec does."""

import json
import subprocess
import sys

import pytest

# Each makes the firmware's codec a little different from the wire's.
FAULTS = {
    "a surrogate passes": ("lead == 0xEDu ? 0x9Fu", "lead == 0xEDu ? 0xBFu"),
    "an equal key passes": (
        "order == 0 && top->key_size >= size",
        "order == 0 && top->key_size > size",
    ),
    "a claim is believed": ("head->value > left >> each", "head->value > left"),
    "a subnormal half is read wrong": (
        "for (power = 1; (fraction >> fraction_bits) == 0u; power--)",
        "for (power = 2; (fraction >> fraction_bits) == 0u; power--)",
    ),
    "a long float is written": (
        "return widened(*narrow, fraction_bits, power_bits) == bits;",
        "return widened(*narrow, fraction_bits, power_bits) == bits && power_bits != 5u;",
    ),
    "one more passes the range": (
        "head->value <= shape->most ?",
        "head->value <= shape->most + 1u ?",
    ),
    "a missing field passes": (
        "next <= form->required || unknown",
        "next < form->required || unknown",
    ),
    "infinity passes": (
        "return power != most ? ATOLL_CBOR_OK : ATOLL_MESSAGE_RANGE;",
        "return power != most || most == 0x1Fu ? ATOLL_CBOR_OK : ATOLL_MESSAGE_RANGE;",
    ),
}


def compare(firmware, harness, cases):
    script = firmware.harnesses.parent / "differential.py"
    command = [sys.executable, script, harness, "--cases", str(cases), "--seed", "20"]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


def test_no_case_differs(firmware):
    done = compare(firmware, firmware.native("cbor_cases"), 200_000)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["cases"] == 200_000
    assert found["accepted"] > 10_000
    # Every reason that the two can have was met.
    assert len(found["reasons"]) == 22, found["reasons"]


@pytest.mark.slow  # with the other builds of spoilt code more than ten seconds
@pytest.mark.parametrize("name", FAULTS)
def test_comparison_finds(firmware, tmp_path, name):
    firmware.need("make", "gcc")
    harness = firmware.spoilt("cbor_cases", tmp_path, *FAULTS[name])
    done = compare(firmware, harness, 60_000)
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(done.stdout)["differing"] > 0


def test_tables_are_the_schemas(firmware):
    generator = firmware.sources / "generate.py"
    code = (
        f"import runpy, pathlib; space = runpy.run_path({str(generator)!r})\n"
        "for name, text in space['generate']().items():\n"
        "    if (space['FOLDER'] / name).read_text() != text: print(name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stdout, f"run python {generator.relative_to(firmware.sources.parent)}"


def test_writer_says_when_it_is_full(firmware):
    assert firmware.run("cbor_edges") == {"failed": 0}
