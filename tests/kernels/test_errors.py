"""The caret stands under the place."""

from atoll.kernels import KernelError, PlanError


def test_caret():
    error = PlanError("no", "a | bcd", 4, 3)
    assert str(error) == "no\n  a | bcd\n      ^^^"
    assert error.at == 4
    assert isinstance(error, KernelError)


def test_without_text_the_reason_alone():
    assert str(PlanError("no")) == "no"
