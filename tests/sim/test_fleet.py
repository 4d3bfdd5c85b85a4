"""A fleet from a file: what it makes, and what each mistake is told."""

from pathlib import Path

import pytest

from atoll.sim.fleet import FleetError, load
from atoll.sim.site import Site

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fleet.toml"
ONE = '[[devices]]\nname = "a"\n'


def test_the_example_is_a_fleet_that_lives():
    setup, seeds = load(EXAMPLE)
    assert seeds == 20
    assert [(k.name, k.zone) for k in setup.kinds[:4]] == [
        ("pi-1", "rack-1"), ("pi-2", "rack-2"), ("pi-3", "rack-3"), ("pi-4", "rack-1"),
    ]  # fmt: skip
    assert (setup.kinds[6].zone, len(setup.kinds[6].sources)) == ("roof", 2)
    site = Site(1, setup._replace(hours=0.004))
    assert site.run().violation is None
    assert set(site.devices) == {"roof", *(f"pi-{n}" for n in range(1, 7))}
    shards = site.gateway.core.catalog.datasets["vibration"]
    assert (shards.row.shards, shards.row.replicas) == (12, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "devices: there are none"),
        ("hours = 0", "hours = 0.0: 1e-06 to 10000 is allowed"),
        ("hours = 'x'", "hours = 'x': a number is wanted"),
        ("houres = 1", "houres: no such key; did you mean 'hours'?"),
        ("faults = 'some'", "faults = 'some'"),
        ("faults = ['crush']", "faults: no kind 'crush'; did you mean 'crash'?"),
        ("devices = 3", "devices: write [[devices]]"),
        ("[[devices]]\ncount = 2", "devices[0].name: it is missing"),
        ('[[devices]]\nname = "a b"', "devices[0].name = 'a b'"),
        (ONE + "zone = '#'", "devices[0].zone = '#'"),
        (ONE + "count = 2", "the name 'a' is there twice"),
        (ONE + "count = 2.5", "devices[0].count = 2.5: a whole number is wanted"),
        (ONE + "capacity = 1000", "devices[0].capacity = 1000.0: 0.01 to 600 is allowed"),
        (ONE + "profile = 'nromal'", "devices[0].profile = 'nromal': none of"),
        (ONE + "[[datasets]]\nname = 'live'", "datasets[0].name = 'live'"),
        (ONE + "[[datasets]]\nname = 'x'\nreplicas = 9", "datasets[0].replicas = 9"),
        ("x = ", "fleet.toml: "),
    ],
)
def test_a_mistake_names_its_key(tmp_path, text, said):
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    with pytest.raises(FleetError) as found:
        load(path)
    assert said in str(found.value)
    assert str(path) in str(found.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FleetError, match="No such file"):
        load(tmp_path / "none.toml")
