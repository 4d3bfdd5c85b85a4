"""Models, several channels and the streams' own scale over real processes."""

import json
from array import array

import numpy as np
import pytest

from atoll.gateway.client_errors import Refused
from atoll.kernels import Plan, importers
from atoll.kernels.golden_models import golden_models
from atoll.kernels.models import Model

pytestmark = pytest.mark.site

ROW = "window 256 | crest, kurtosis, skewness"
MODELS = golden_models()
PLANS = (
    f"{ROW} | tree @tree | moments, minmax",
    f"{ROW} | tree @leaves give=class | top",
    f"{ROW} | mlp @mlp",
    f"{ROW} | logistic @logistic | quantiles 0.5",
    f"{ROW} | mahalanobis @mahalanobis | moments",
    f"{ROW} | centroids @centroids",
)


@pytest.fixture(scope="module")
def streams():
    chance = np.random.default_rng(5)
    return {f"m{k}": chance.normal(0, 900 + 300 * k, 40_000).astype("int16") for k in range(4)}


def test_models_run_on_devices_as_here(site, streams):
    with site.connect() as fleet:
        fleet.put_many("motors1", streams, rate=1000)
        for text in PLANS:
            plan = Plan(text, MODELS)
            found = fleet.run(plan, over="motors1")
            assert found.complete
            assert found.value == plan.run(streams, 1000), text
            merged = plan.merge([plan.partial(streams[k], 1000, key=k) for k in sorted(streams)])
            assert found.partial == merged
        listed = [row["plan"] for row in fleet.jobs()]
        assert Plan(PLANS[0], MODELS).text in listed  # as people read it, not as the ledger does


def test_a_fitted_estimator_runs_over_the_fleet(site, streams):
    ensemble = pytest.importorskip("sklearn.ensemble")
    plain = Plan(ROW)
    rows = {key: np.array(list(plain.run(x, 1000).values())).T for key, x in streams.items()}
    table = np.vstack([rows[key] for key in sorted(rows)]).astype("float32")
    wanted = np.repeat(np.arange(len(rows)), [len(rows[key]) for key in sorted(rows)])
    forest = ensemble.RandomForestClassifier(4, max_depth=5, random_state=1).fit(table, wanted)
    plan = Plan(f"{ROW} | tree @forest", {"forest": importers.from_sklearn(forest)})
    with site.connect() as fleet:
        fleet.put_many("motors2", streams, rate=1000)
        found = fleet.run(plan, over="motors2", by="key").values
    for key in streams:
        theirs = forest.predict_proba(rows[key].astype("float32"))
        assert np.abs(np.array(found[key]["tree"]) - theirs).max() < 1e-6


def test_a_standing_job_with_a_model_survives_the_gateway(new_site, streams):
    site = new_site
    site.start(3)
    plan = Plan(f"{ROW} | tree @tree | moments", MODELS)
    with site.connect() as fleet:
        fleet.put_many("motors3", streams, rate=1000)
        fleet.start("watch", plan, "motors3", every=25_600)
        first = newest(fleet, "watch", 4)
    site.gateway.kill()
    site.start_gateway()
    with site.connect() as fleet:
        assert newest(fleet, "watch", 4) == first
    for key, entry in first.items():
        here = plan.run(streams[key][:25_600], 1000)
        assert entry["value"] == json.loads(json.dumps(here))


def newest(fleet, job, count):
    for result in fleet.watch(job, timeout_s=30):
        if len(result["streams"]) == count:
            return result["streams"]
    raise AssertionError("the job has ended")


def test_a_model_too_large_for_the_wire_is_refused_with_both_sizes(site):
    words = (3, 1, *([0x3F800000] * 4))
    wide = Model("linear", (1000, 7, *([0x3F800000] * 7007)))
    assert Plan("window 16 | crest, kurtosis, skewness | linear @m", {"m": Model("linear", words)})
    with site.connect() as fleet:
        fleet.put("motors5", array("h", range(4000)), key="a", rate=1000)
        with pytest.raises(Refused, match=r"takes 3\d,\d+ bytes .* carry 16,384"):
            fleet.run(Plan("window 1000 | linear @wide", {"wide": wide}), over="motors5")


def test_channels_stand_side_by_side_over_the_fleet(site):
    chance = np.random.default_rng(6)
    streams = {k: chance.normal(0, 2000, (50_000, 3)).astype("int16") for k in ("left", "right")}
    with site.connect() as fleet:
        for key, samples in streams.items():
            fleet.put("arm", samples, key=key, rate=1000, scale=0.001, unit="g")
        assert np.array_equal(fleet.get("arm", "left"), streams["left"])
        for text in (
            "channels 3 | window 256 | detrend | rms, crest | quantiles 0.5",
            "channels 3 | scale | gram",
            "channels 3 | biquad lowpass 100 | window 64 | rms | minmax",
            "channels 3 | window 1024 | rms",
        ):
            plan = Plan(text)
            assert fleet.run(plan, over="arm").value == plan.run(streams, 1000, scale=0.001), text
        with pytest.raises(Refused, match="begin the plan with `channels 3`"):
            fleet.run("moments", over="arm")
        with pytest.raises(Refused, match="plan takes 4 channels"):
            fleet.run("channels 4 | moments", over="arm")


def test_a_bare_scale_is_each_streams_own(site, streams):
    with site.connect() as fleet:
        fleet.put("mixed", streams["m0"], key="a", rate=1000, scale=0.5, unit="g")
        fleet.put("mixed", streams["m1"], key="b", rate=1000, scale=0.25, unit="g")
        found = fleet.run("scale | window 256 | rms | moments", over="mixed", by="key").values
    for key, name, scale in (("a", "m0", 0.5), ("b", "m1", 0.25)):
        plan = Plan("scale | window 256 | rms | moments")
        assert found[key] == plan.run(streams[name], 1000, scale=scale)
