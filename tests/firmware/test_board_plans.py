"""Standing jobs on emulated boards: recorded samples at their rate, partials as `Plan` gives them,
byte for byte, and orders that outlive a reset.
"""

from array import array

import pytest
from board_site import BOARDS, LINKED, Gateway, Site, networked, stack, symbol

from atoll.cli.board_runs import BoardRuns
from atoll.gateway.broker import BrokerChild, find_mosquitto
from atoll.gateway.progress import place_of
from atoll.kernels import Plan, receipts
from atoll.wire import messages as m
from atoll.wire.identity import Identity, encode_identity

pytestmark = [pytest.mark.emulator, pytest.mark.broker]

RATE = 3_000.0
PLANS = {
    "hum": "window 128 hop=64 | rms, kurtosis | moments",
    "shape": "window 128 | crest, peak",
}
# Where there are 3 KB for the states of both.
SMALL = {**PLANS, "hum": "window 128 hop=64 | rms | moments"}
EVERY = 640


@pytest.fixture
def sampling(emulate, firmware, tmp_path, recordings):
    """Start a board that samples a recording; the site, and the samples."""
    if not find_mosquitto():
        pytest.skip("mosquitto is not installed")
    broker = BrokerChild(tmp_path / "broker", kind="mosquitto")
    broker.start()
    gateways = []
    raw = (recordings / "ir007_0_105_de.npy").read_bytes()
    samples = array("h", raw[-2 * 100_000 :])
    (tmp_path / "samples").write_bytes(samples.tobytes())

    def start(board, link):
        who = Identity("lab", board, "bench", "vibration", "adc", "g", RATE, 0.000162)
        # An outage that fills the outbox begins a new run, and DHCP takes a second.
        who = networked(who, broker.port, link, fixed=True)
        (tmp_path / "identity").write_bytes(encode_identity(who))
        address = symbol(firmware.image(board, "emulated", link), "atoll_identity_start")
        more = ["-device", f"loader,file={tmp_path / 'identity'},addr={address:#x},force-raw=on"]
        more += ["-semihosting-config", f"enable=on,target=native,arg={tmp_path / 'samples'}"]
        gateways.append(Gateway(broker.port, board))
        machine = emulate(board, "emulated", link, broker=broker.port, more=more)
        return Site(machine, gateways[-1]), samples

    yield start
    for gateway in gateways:
        gateway.end()
    broker.stop()


def plan_of(board, job):
    return Plan((SMALL if board == "microbit" else PLANS)[job])


def order(lab, board, job):
    plan = plan_of(board, job)
    words = plan.words("i16", RATE)
    program = m.Program(1, 1, 1, job, f"{board}/adc", EVERY, plan.overlap, words)
    lab.gateway.say("task", program)


def batches(lab):
    """The next message's batches: of each its job, run, first sample in the run, and bytes."""
    message = lab.expect(m.Partials)
    lab.gateway.acknowledge(message)
    for result in message.results:
        assert not result.failed, result.data
        place = place_of(result.task)
        yield message.job, place["run"], place["sample"], result.data


def gather(lab, after=0):
    """Two batches of each job, of runs behind `after`: by job and first sample; the newest run."""
    found, newest = {}, after
    while len(found) < 2 * len(PLANS):
        for job, run, start, data in batches(lab):
            if run > after and start in (0, EVERY):
                found[job, start] = data
            newest = max(newest, run)
    return found, newest


def wanted(board, samples, job):
    """What a plan makes of the same samples."""
    return BoardRuns(plan_of(board, job), samples, RATE, EVERY, f"{board}/adc")


@pytest.mark.parametrize(("board", "link"), LINKED)
def test_standing_jobs_give_the_bytes_of_a_plan_and_outlive_a_reset(
    sampling, board, link, firmware
):
    lab, samples = sampling(board, link)
    birth = lab.expect(m.Birth)
    (source,) = birth.sources
    assert birth.programs
    assert source[:4] == ("vibration", f"{board}/adc", "i16", 1)
    assert (source.rate_hz, source.unit) == (RATE, "g")
    lab.expect(dict, lambda status: status["state"] == "ready")
    for job in PLANS:
        order(lab, board, job)
    # A run begins wherever the recording was when its order came.
    found, last = gather(lab)
    for job in PLANS:
        batches = {start: found[job, start] for start in (0, EVERY)}
        assert wanted(board, samples, job).differing(batches) == 0
    # After a reset nobody needs to tell it anything, and the recording begins anew.
    lab.machine.order("system_reset")
    lab.expect(m.Birth, lambda birth: birth.boot == 2)
    found, _ = gather(lab, last)
    assert found == {
        (job, start): wanted(board, samples, job).partial(start)
        for job in PLANS
        for start in (0, EVERY)
    }
    # What was used of the stack, receipts and all, leaves an eighth of it.
    used, there = stack(lab.machine, firmware.image(board, "emulated", link))
    assert 500 < used <= there * 7 // 8, (used, there)


def test_a_kernel_that_the_image_has_not_is_named(sampling):
    lab, _ = sampling("microbit", "serial")
    birth = lab.expect(m.Birth)
    lab.expect(dict, lambda status: status["state"] == "ready")
    assert {"window", "rms", "moments"} <= {receipt.kernel for receipt in birth.receipts}
    assert "spectrum" not in {receipt.kernel for receipt in birth.receipts}
    plan = Plan("window 64 | spectrum | centroid | moments")
    words = plan.words("i16", RATE)
    program = m.Program(1, 1, 1, "hum", "microbit/adc", EVERY, plan.overlap, words)
    lab.gateway.say("task", program)
    (result,) = lab.expect(m.Partials).results
    assert result.failed
    assert result.data == b"this image has no kernel spectrum"


@pytest.mark.parametrize("board", BOARDS)
def test_the_birth_bears_the_receipts_of_every_machine(sampling, board):
    lab, _ = sampling(board, "serial")
    found = {receipt.kernel: receipt.digest for receipt in lab.expect(m.Birth).receipts}
    every = receipts()
    assert found.items() <= every.items()
    assert len(found) == {"microbit": 11, "lm3s6965evb": 37}.get(board, len(every))
