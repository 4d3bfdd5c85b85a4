"""The catalogue is complete, and says of every kernel what a user must know."""

import re
from pathlib import Path

from atoll.kernels import catalogue, reference_signal, reference_spectral
from atoll.kernels.finish import FINISHERS
from atoll.kernels.fits import JOINT_FINISHERS
from atoll.kernels.receipt import FEATURE_PLANS, PLANS
from atoll.kernels.reference import FEATURES

TWINS = (reference_signal, reference_spectral)


def test_names_and_codes_are_unique():
    kernels = catalogue()
    assert len({k.name for k in kernels}) == len({k.code for k in kernels}) == len(kernels)


def test_every_kernel_says_what_it_does():
    for kernel in catalogue():
        assert kernel.doc.endswith(".")
        assert kernel.units
        assert kernel.error
        assert kernel.special
        assert kernel.merge_error
        assert kernel.source
        assert kernel.extreme
        assert kernel.of_nothing


def test_every_kernel_has_a_twin_a_finisher_and_a_receipt():
    for kernel in catalogue():
        if kernel.group == "feature":
            assert kernel.name in FEATURES or any(hasattr(part, kernel.name) for part in TWINS)
            assert FEATURE_PLANS
        else:
            assert kernel.name in PLANS
        if kernel.group == "reducer":
            assert kernel.code in (JOINT_FINISHERS if kernel.joint else FINISHERS)


def test_every_kernel_is_held_against_float64():
    files = Path(__file__).parent.glob("test_accuracy*.py")
    code = re.sub(r'""".*?"""', "", " ".join(path.read_text() for path in files), flags=re.DOTALL)
    plans = " ".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', code))  # in texts, not in numpy's words
    assert {k.name for k in catalogue()} <= set(re.findall(r"[a-z0-9_]+", plans))


def test_every_kernel_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "kernels.md").read_text()
    for kernel in catalogue():
        shown = kernel.signature.replace("|", "\\|")
        assert f"| `{shown}` |" in page
