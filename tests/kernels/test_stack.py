"""What a long push takes of the stack fits in a compute thread of a device."""

import subprocess
import sys

import pytest

from atoll.runtime.main import STACK_BYTES

PLANS = (
    "quantiles 0.5 0.99",
    "histogram -900 900",
    "distinct",
    "top 5",
    "moments",
    "biquad lowpass 100 | quantiles 0.5",
    "window 16 | gram",
    "window 4096 | detrend | taper | spectrum | peaks 3 | moments",
    "window 8192 | psd 1024 | entropy, mel 20",
    "ewma 0.1 | top 5",
    "window 16 | crest, kurtosis, skewness | tree @tree | histogram 0 4",
    "window 16 | crest, kurtosis, skewness | tree @leaves | moments",
    "window 16 | crest, kurtosis, skewness | mlp @mlp | moments",
    "window 16 | crest, kurtosis, skewness | mahalanobis @mahalanobis | moments",
    "window 16 | crest, kurtosis, skewness | centroids @centroids",
)
RUN = """
import sys, threading
from array import array
from atoll.kernels import Plan
from atoll.kernels.golden_models import golden_models
plans = [Plan(text, golden_models()) for text in sys.argv[2:]]
streams = [array(code, (k * 7919 % 60_001 - 30_000 for k in range(200_000))) for code in "hf"]
def work():
    for plan in plans:
        for samples in streams:
            plan.partial(samples, 1000.0)
    print("done")
threading.stack_size(int(sys.argv[1]))
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("build", ["base", "avx2"])
def test_long_pushes_fit_in_a_device_thread(build, monkeypatch):
    monkeypatch.setenv("ATOLL_KERNELS", build)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(STACK_BYTES), *PLANS], capture_output=True, text=True
    )
    if build == "avx2" and "ATOLL_KERNELS" in done.stderr:
        pytest.skip("this machine has no AVX2")
    assert done.stdout == "done\n", done.stderr
