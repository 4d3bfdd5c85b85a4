import json

import pytest

from atoll.cli.watch import line

pytestmark = pytest.mark.site


def test_a_standing_job_over_a_live_source(on_site, site):
    on_site("start", "cli-watch", "window 5 | mean | minmax", "--over", "machine", "--every", "10")
    try:
        shown = on_site("watch", "cli-watch", "--count", "2", "--wait", "20", "--json").stdout
        first, second = (json.loads(text) for text in shown.splitlines())
        assert first["job"] == second["job"] == "cli-watch"
        assert second["at_ms"] > first["at_ms"]
        assert any(key.startswith("device-1/") for key in second["streams"])
        shown = on_site("watch", "cli-watch", "--count", "1", "--wait", "20").stdout
        assert "device-1/" in shown
        assert "mean.minmax.max=" in shown
    finally:
        on_site("stop", "cli-watch")
    assert "no standing job" in on_site("watch", "cli-watch", code=1).stderr


def test_a_line_shows_paths_and_numbers():
    result = {"job": "j", "at_ms": 0, "streams": {"a": {"sample": 5, "value": {"rms": {"x": 1.5}}}}}
    assert line(result).endswith("a @5 rms.x=1.5")
