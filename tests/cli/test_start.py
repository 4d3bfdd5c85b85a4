import json

import pytest

pytestmark = pytest.mark.site
PLAN = "window 10 | mean | minmax"


def test_every_is_rounded_to_the_plans_step_and_told(on_site):
    words = ("start", "cli-start", PLAN, "--over", "machine", "--every", "33", "--json")
    try:
        assert json.loads(on_site(*words).stdout) == {"job": "cli-start", "every": 30}
        assert json.loads(on_site(*words).stdout) == {"job": "cli-start", "every": 30}
        other = ("start", "cli-start", "moments", "--over", "machine")
        assert "runs already" in on_site(*other, code=1).stderr
    finally:
        on_site("stop", "cli-start")


def test_a_time(on_site):
    words = ("start", "cli-time", PLAN, "--over", "machine", "--every", "2s", "--json")
    try:
        assert json.loads(on_site(*words).stdout) == {"job": "cli-time", "every_ms": 2000}
    finally:
        on_site("stop", "cli-time")
