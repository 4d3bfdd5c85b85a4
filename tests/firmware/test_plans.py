"""Standing jobs of the firmware, natively and under sanitizers: the bytes are those of `Plan`,
runs end where samples are lost, and orders outlive a reset.
"""

import re
import subprocess
from array import array
from random import Random

import pytest

from atoll.gateway.progress import run_of
from atoll.kernels import Plan
from atoll.wire import messages as m
from atoll.wire.codec import encode

# Their harness holds the kernels under sanitizers, which takes a while to compile.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEY = "m/adc"
RATE = 1000.0
VALUES = array("h", (Random(5).randrange(-3000, 3000) for _ in range(9_000)))


class Board:
    """The harness, and what it has kept: (job, number, failed, bytes)."""

    def __init__(self, program):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([program], text=True, bufsize=1, **pipes)
        self.kept = []

    def ask(self, *words):
        print(*words, file=self.process.stdin)
        while True:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            if not line.startswith("kept "):
                return line.strip()
            job, number, failed, *data = line.split()[1:]
            self.kept.append((job, int(number), failed == "1", bytes.fromhex("".join(data))))

    def order(self, text, *, job="hum", every=0, key=KEY, dtype="i16"):
        plan = Plan(text)
        every = every or 10 * plan.step
        words = plan.words(dtype, RATE)
        return self.ask(
            "order", encode(m.Program(9, 9, 9, job, key, every, plan.overlap, words)).hex()
        )

    def push(self, samples, random=None):
        at = 0
        while at < len(samples):
            count = random.randrange(1, 300) if random else 500
            self.ask("push", samples[at : at + count].tobytes().hex())
            at += count

    def take(self):
        found, self.kept = self.kept, []
        return found

    def state(self):
        words = self.ask("state").split()
        return dict(zip(words[::2], map(int, words[1::2]), strict=True))

    def end(self):
        self.process.stdin.close()
        errors = self.process.stderr.read()
        assert self.process.wait(20) == 0, errors
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def board(firmware):
    made = Board(firmware.native("plans_host"))
    yield made
    made.end()


def batches(text, samples, run, every=0):
    """What a run of samples must give: numbers and partials."""
    plan = Plan(text)
    every = every or 10 * plan.step
    found, start = [], 0
    while (stop := start + every + plan.overlap) <= len(samples):
        data = plan.partial(samples[start:stop], RATE, start=start, key=KEY)
        found.append((m.RUN_SAMPLES | run << 32 | start, False, data))
        start += every
    return found


PLANS = [
    "window 64 hop=32 | rms, kurtosis | moments",
    "window 50 | p2p | minmax",
    "window 100 | mean, peak",  # rows
    "window 32 hop=8 | rms | quantiles 0.5 0.99 bins=32",
    "diff | abs | histogram 0 4000 bins=8",
    "window 16 hop=20 | mean | moments",
    "fir lowpass 100 taps=9 | window 32 | rms | count",
    "window 32 | detrend | taper hann | spectrum | band 100 200",
]


@pytest.mark.parametrize("text", PLANS)
def test_batches_are_those_of_a_plan(board, text):
    assert board.order(text) == "ok"
    board.push(VALUES, Random(text))
    given = board.take()
    assert {job for job, *_ in given} == {"hum"}
    assert [kept[1:] for kept in given] == batches(text, VALUES, 1)


def test_several_jobs_run_side_by_side_and_end_apart(board):
    for job, text in zip("abc", PLANS, strict=False):
        assert board.order(text, job=job) == "ok"
    board.push(VALUES[:3_000])
    assert board.ask("cancel", "b") == "ok"
    assert board.state()["jobs"] == 2
    board.push(VALUES[3_000:])
    given = board.take()
    for run, (job, text) in enumerate(zip("ac", (PLANS[0], PLANS[2]), strict=True), 1):
        run = 1 if job == "a" else 3
        assert [kept[1:] for kept in given if kept[0] == job] == batches(text, VALUES, run)
    assert board.ask("cancel", "a") == board.ask("cancel", "c") == board.ask("cancel", "x") == "ok"
    assert (state := board.state())["jobs"] == state["used"] == 0


def test_a_repeated_order_changes_nothing_and_another_takes_its_place(board):
    board.order(PLANS[0])
    board.push(VALUES[:1_000])
    board.order(PLANS[0])
    board.push(VALUES[1_000:])
    assert [kept[1:] for kept in board.take()] == batches(PLANS[0], VALUES, 1)
    board.order(PLANS[1])
    board.push(VALUES[:2_000])
    assert [kept[1:] for kept in board.take()] == batches(PLANS[1], VALUES[:2_000], 2)


def test_orders_outlive_a_reset_and_cancelled_ones_do_not(board):
    board.order(PLANS[0], job="a")
    board.order(PLANS[1], job="b")
    board.ask("cancel", "a")
    board.push(VALUES[:1_234])
    board.take()
    board.ask("reset")
    assert board.state()["jobs"] == 1
    board.push(VALUES)
    assert [kept[1:] for kept in board.take()] == batches(PLANS[1], VALUES, 2)


def test_orders_come_and_go_for_ever_on_a_small_flash(board):
    board.order(PLANS[0], job="stays")
    for turn in range(200):
        assert board.order(PLANS[1 + turn % 3], job="guest") == "ok", turn
        if turn % 3 == 0:
            board.ask("cancel", "guest")
        if turn % 17 == 0:
            board.ask("reset")
            assert board.state()["jobs"] == 1 + (turn % 3 != 0)
    board.ask("cancel", "guest")
    board.ask("reset")
    board.push(VALUES)
    given = board.take()
    assert [kept[1:] for kept in given] == batches(PLANS[0], VALUES, run_of(given[0][1]))


def test_a_gap_begins_a_run(board):
    board.order(PLANS[0])
    board.push(VALUES[:1_000])
    board.ask("gap")
    board.push(VALUES)
    kept = [kept[1:] for kept in board.take()]
    assert kept == batches(PLANS[0], VALUES[:1_000], 1) + batches(PLANS[0], VALUES, 2)


@pytest.mark.parametrize("text", [PLANS[0], PLANS[2]])
def test_a_batch_without_room_waits_and_what_passes_it_by_is_counted(board, text):
    plan = Plan(text)
    board.order(text)
    board.ask("room", 2)
    board.push(VALUES)
    expected = batches(text, VALUES, 1)
    assert [kept[1:] for kept in board.take()] == expected[:2]
    assert board.state()["dropped"] == len(VALUES) - 3 * 10 * plan.step - plan.overlap
    board.ask("room", 1_000)
    board.push(VALUES)
    assert [kept[1:] for kept in board.take()] == [expected[2], *batches(text, VALUES, 2)]


def test_what_cannot_run_is_refused_with_its_reason(board):
    reason = board.order("window 4096 | rms | moments")
    assert re.fullmatch(r"the plan takes \d{4} bytes of RAM, and 6000 are free", reason)
    assert board.order(PLANS[0], key="other/adc") == "the board samples no such stream"
    assert board.order(PLANS[0], dtype="f32") == "the program is for samples of another type"
    wild = m.Program(1, 1, 1, "hum", KEY, 100, 0, bytes(40))
    assert board.ask("order", encode(wild).hex()) == "the program is not one for these kernels"
    odd = wild._replace(words=Plan(PLANS[0]).words("i16", RATE)[:-2])
    assert board.ask("order", encode(odd).hex()) == "the order is outside its bounds"
    assert (
        board.ask("order", encode(odd._replace(every=0)).hex()) == "the order is outside its bounds"
    )
    for job in "abcd":
        assert board.order("moments", job=job, every=100) == "ok"
    assert board.order("moments", job="e", every=100) == "as many jobs as fit run already"
    assert board.state()["jobs"] == 4


def test_wild_programs_are_refused_or_run(board):
    random = Random(11)
    for _ in range(300):
        words = bytearray(Plan(random.choice(PLANS)).words("i16", RATE))
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(0, len(words) // 4) * 4
            words[at : at + 4] = random.choice(
                [random.randbytes(4), random.randrange(70).to_bytes(4, "little")]
            )
        message = m.Program(1, 1, 1, "wild", KEY, random.randrange(1, 500), 0, bytes(words))
        board.ask("order", encode(message).hex())
        board.push(VALUES[:700])
        board.ask("cancel", "wild")
    assert board.state()["used"] == 0


def test_rows_that_do_not_fit_end_the_job(board):
    board.order("window 10 | mean, rms", every=3_000)
    board.push(VALUES)
    ((job, number, failed, reason),) = board.take()
    assert (job, number, failed) == ("hum", 0, True)
    assert b"end the plan in a reducer" in reason
    assert board.state()["jobs"] == 0
