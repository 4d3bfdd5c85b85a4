"""JSON bodies: strict, compact, with strings for what JSON has no number for."""

import json

from atoll.gateway.jsonable import dumps


def test_non_finite_numbers_become_strings():
    text = dumps({"a": [float("nan"), float("inf"), -float("inf"), 1.5], "ä": {"b": (1, 2)}})
    assert json.loads(text, parse_constant=lambda name: 1 / 0) == {
        "a": ["nan", "inf", "-inf", 1.5],
        "ä": {"b": [1, 2]},
    }
    assert " " not in text
