import json

from atoll.kernels import Plan, catalogue, receipts


def test_the_catalogue(atoll):
    shown = atoll("kernels").stdout
    assert all(f"\n{kernel.name} " in shown for kernel in catalogue())
    rows = json.loads(atoll("kernels", "--json").stdout)
    assert [row["name"] for row in rows] == [kernel.name for kernel in catalogue()]


def test_one_kernel(atoll):
    shown = atoll("kernels", "quantiles").stdout
    assert "inverse of the distribution function" in shown
    assert "merge_error" in shown
    assert "\nbins             a whole number, 32 .. 4,096, 256 unless given\n" in shown
    assert "\nq                a number in steps of 1e-9, 0 .. 1, several\n" in shown
    assert "DDSketch" in shown
    assert "\nempty            count 0, values NaN\n" in shown
    whole = Plan("quantiles 0.5 bins=32")
    own = dict(whole.memories())["quantiles"]
    assert f"ram_bytes        {own}\n" in shown
    assert f"plan_ram_bytes   {whole.cost().ram_bytes}\n" in shown
    assert f"\nexample          {whole.text}\n" in shown
    assert "did you mean 'quantiles'" in atoll("kernels", "quantile", code=1).stderr


def test_receipts(atoll):
    found = json.loads(atoll("kernels", "--receipts", "--json").stdout)
    assert found == {name: digest.hex() for name, digest in receipts().items()}
    assert atoll("kernels", "rms", "--receipts").stdout.count("\n") == 2
