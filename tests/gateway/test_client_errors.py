import pytest

from atoll.gateway import client_errors as errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FleetError("x"), 1),
        (errors.Refused("x"), 1),
        (errors.BadSamples("x"), 1),
        (errors.Closed("x"), 1),
        (errors.Incomplete("x", []), 3),
        (errors.Unreachable("x"), 4),
        (errors.TimedOut("x"), 4),
    ],
)
def test_exit_codes_of_the_command(error, code):
    assert error.exit_code == code
    assert isinstance(error, errors.FleetError)
    assert str(error) == "x"


def test_bad_samples_are_value_errors_for_those_who_catch_such():
    assert issubclass(errors.BadSamples, ValueError)
