import pytest

from atoll.cli import gateway
from atoll.gateway import main


def test_the_gateway_is_the_gateways_own():
    assert gateway.run is main.run
    assert gateway.add_arguments is main.add_arguments


@pytest.mark.site
def test_two_gateways_of_one_state_do_not_run(new_site, atoll):
    new_site.start_gateway()
    with new_site.connect_when_there(10) as fleet:
        term = fleet.status()["term"]
    state = new_site.folder / "gateway"
    done = atoll("gateway", "--state", state, "--site", "tests", code=1, timeout_s=30)
    assert done.stderr.count("\n") == 1
    assert str(state) in done.stderr
    with new_site.connect_when_there(10) as fleet:
        assert fleet.status()["term"] == term
