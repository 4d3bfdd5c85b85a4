import hashlib
import subprocess
import sys

import pytest

from atoll.kernels.digest import sha256


@pytest.mark.parametrize("data", [b"", b"abc", bytes(range(256)) * 99])
def test_it_is_sha256(data):
    assert sha256(data) == hashlib.sha256(data).digest()


def test_a_plan_does_not_load_libcrypto():
    code = (
        "import sys; from atoll.kernels import Plan; Plan.from_bytes(Plan('moments').canonical).id;"
        "sys.exit('_hashlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
