"""The kernels as a Pi Zero runs them: ARMv6 with VFPv2, compiled by zig, on an emulated ARM1176.

No userland of that kind is to be had, so they are a program of their own, linked statically; the
wheel's modules are held to the same instructions by `readelf` (scripts/wheels.py). Compiling its C
library takes a minute: `make test-arm` alone does it.
"""

import json
import subprocess
import sys
import zipfile

import pytest
from arm_boards import FULL, ROOT, need, output

from atoll.kernels import portable, receipt_c

sys.path.insert(0, str(ROOT / "scripts"))

FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-static")

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(1800)]


def receipts(words, folder, cpu):
    """What the program prints on a processor."""
    program = folder / "receipts"
    sources = [ROOT / "benchmarks/native/receipts.c"]
    sources += [folder / name for name in ("atoll_receipts.c", "atoll_kernels.c")]
    subprocess.run([*words, *FLAGS, f"-I{folder}", *sources, "-o", program], check=True)
    ran = subprocess.run(
        ["qemu-arm", "-cpu", cpu, program], text=True, capture_output=True, check=True
    )
    return program, sorted(ran.stdout.splitlines())


@pytest.fixture
def source(tmp_path):
    assert not portable.main([str(tmp_path)])
    assert not receipt_c.main([str(tmp_path)])
    return tmp_path


if FULL:

    def test_the_receipts_are_those_of_every_machine(source):
        import zig

        need("qemu-arm", "readelf")
        words = zig.target("arm-linux-musleabihf", "arm1176jzf_s")
        program, found = receipts(words, source, "arm1176")
        assert found == sorted((ROOT / "tests/kernels/golden.txt").read_text().splitlines())
        shown = subprocess.run(["readelf", "-A", program], text=True, capture_output=True).stdout
        assert "Tag_CPU_arch: v6" in shown
        assert "Tag_FP_arch: VFPv2" in shown

    def test_the_wheels_modules_give_them_too(tmp_path, boards):
        """In the userland of armhf, which is a later processor's, as Debian's package has them."""
        done = subprocess.run(
            [sys.executable, ROOT / "scripts/wheels.py", "armv6l"],
            cwd=ROOT, text=True, capture_output=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        (wheel,) = (ROOT / "dist").glob("atoll-*-cp311-abi3-linux_armv6l.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path)
        board = [
            word.replace("PYTHONPATH=", f"PYTHONPATH={tmp_path}:") for word in boards["armv7l"]
        ]
        shown = output(board, "-c", "import atoll.kernels._native as n; print(n.__file__)")
        assert shown.startswith(str(tmp_path))
        words = ("-m", "atoll.cli", "kernels", "--receipts", "--json")
        found = json.loads(output(board, *words))
        golden = (ROOT / "tests/kernels/golden.txt").read_text()
        assert found == dict(line.split() for line in golden.splitlines())

    def test_later_instructions_are_found(source):
        """The processor is the one it says: code for ARMv7 does not get through there."""
        need("qemu-arm", "arm-linux-gnueabihf-gcc")
        words = ("arm-linux-gnueabihf-gcc", "-march=armv7-a", "-mfpu=vfpv3-d16", "-mfloat-abi=hard")
        with pytest.raises(subprocess.CalledProcessError):
            receipts(words, source, "arm1176")
