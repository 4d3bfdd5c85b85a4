"""A device process on a real broker, with a gateway that the test plays."""

import os
import time
from array import array

import pytest
from board_tree import Line, await_true
from device_rig import Device, Gateway, block_of, info_of

from atoll.kernels import Plan
from atoll.runtime.live import pinned_shard
from atoll.wire import messages
from atoll.wire.block import decode_block

pytestmark = pytest.mark.broker
A = info_of("a")
SAMPLES = array("h", [(number * 37) % 2_001 - 1_000 for number in range(8_000)])
BLOCKS = [
    block_of(A, seq, seq * 1_000, SAMPLES[seq * 1_000 : seq * 1_000 + 1_000].tobytes())
    for seq in range(8)
]
NO_NUMPY = """
import sys
assert "numpy" not in sys.modules and "asyncio" not in sys.modules, "imported"
maps = open("/proc/self/maps").read()
assert "numpy" not in maps
print("nothing heavy")
"""


class Site:
    """One device and its gateway; whatever is started is ended."""

    def __init__(self, broker, tmp_path):
        self.broker, self.store = broker, tmp_path / "store"
        self.devices, self.gateways = [], []

    def device(self, **more):
        self.devices.append(Device("pi", self.store, self.broker.url, **more))
        return self.devices[-1]

    def gateway(self, **more):
        self.gateways.append(Gateway(self.broker.url, "pi", **more))
        return self.gateways[-1]

    def close(self):
        for device in self.devices:
            device.kill()
        for gateway in self.gateways:
            gateway.close()


@pytest.fixture
def site(broker, tmp_path):
    one = Site(broker, tmp_path)
    yield one
    one.close()


def query(gateway, plan, job="q1", until=8_000):
    step = 2_000
    cuts = [(at, min(at + step + plan.overlap, until)) for at in range(0, until, step)]
    tasks = [messages.Task("a", number, 0, *cut) for number, cut in enumerate(cuts)]
    gateway.tell("task", messages.Tasks(*gateway.head, job, plan.canonical, "vibration", tasks))
    results = {}
    while len(results) < len(tasks):
        partials = gateway.take(messages.Partials)
        if partials.job == job:
            results |= {result.task: result for result in partials.results}
    return results


def test_birth_blocks_tasks_and_a_clean_end(site):
    device, gateway = site.device(at_end=NO_NUMPY), site.gateway()
    gateway.wait_ready()
    assert gateway.birth.boot == 1
    assert {one.kernel for one in gateway.birth.receipts} >= {"moments", "quantiles"}
    assert [stored.refused for stored in gateway.store(BLOCKS)] == [[]]
    plan = Plan("window 100 hop=50 | rms | quantiles 0.5")
    results = query(gateway, plan)
    assert not any(result.failed for result in results.values())
    assert plan.merge(one.data for one in results.values()) == plan.partial(SAMPLES)
    failed = query(gateway, plan, "q2", until=10_000)[4]
    assert failed.failed
    assert b"are not here" in failed.data
    gateway.tell("task", messages.InventoryAsk(*gateway.head))
    held = gateway.take(messages.Held)
    assert [(one.info, one.shard) for one in held.streams] == [(A, 3)]
    assert held.streams[0].runs[0][:4] == (0, 7, 0, 8_000)
    assert device.terminate() == 0
    gateway.until(lambda: gateway.statuses[-1] == "stopped")
    assert gateway.statuses[-3:] == ["ready", "draining", "stopped"]
    assert device.lines[-1] == "nothing heavy"


def test_blocks_go_out_as_they_came_in(site):
    site.device()
    gateway = site.gateway()
    gateway.wait_ready()
    big = info_of("big")
    blocks = [block_of(big, seq, seq * 30_720, os.urandom(61_440)) for seq in range(20)]
    gateway.store(blocks)
    wanted = [messages.BlockRange("vibration", "big", 2, 18)]
    gateway.tell("task", messages.SendBlocks(*gateway.head, 77, wanted))
    received, more = [], True
    while more:
        message = gateway.take(messages.Blocks)
        assert message.transfer == 77
        received += message.blocks
        more = message.more
    assert received == blocks[2:19]
    unknown = [messages.BlockRange("vibration", "nobody", 0, 0)]
    gateway.tell("task", messages.SendBlocks(*gateway.head, 78, unknown))
    assert gateway.take(messages.TransferFailed).transfer == 78


def test_a_broker_that_dies_is_found_again(site):
    device, gateway = site.device(), site.gateway(acknowledge=False)
    gateway.wait_ready()
    gateway.store(BLOCKS)
    first = query(gateway, Plan("moments"))
    site.broker.kill()
    gateway.until(lambda: any("lost the broker" in line for line in device.lines))
    gateway.statuses.clear()
    site.broker.start()
    gateway.wait_ready()
    again = gateway.take(messages.Partials)  # never acknowledged, so it comes again
    assert {result.task: result.data for result in again.results}.items() <= {
        task: result.data for task, result in first.items()
    }.items()
    gateway.acknowledge = True
    assert not any(one.failed for one in query(gateway, Plan("moments"), "q2").values())


def test_a_restart_keeps_blocks_and_counts_the_boot(site):
    device, gateway = site.device(), site.gateway()
    gateway.wait_ready()
    gateway.store(BLOCKS)
    device.kill()
    gateway.until(lambda: gateway.statuses[-1] == "lost")  # the last will
    site.device()
    gateway.until(lambda: gateway.birth.boot == 2 and gateway.statuses[-1] == "ready")
    assert not any(one.failed for one in query(gateway, Plan("moments")).values())


def test_stale_gateways_and_nonsense_are_refused(site):
    device = site.device()
    gateway = site.gateway(term=5)
    gateway.wait_ready()
    zombie = site.gateway(term=4)
    zombie.until(lambda: zombie.link.up)
    zombie.tell("block", messages.Blocks(*zombie.head, 1, False, BLOCKS))
    zombie.link.publish(zombie.topics.down("pi", "task"), b"\xff" * 99, purpose="x")
    gateway.store(BLOCKS[:1])
    gateway.until(lambda: any("refused, stale term" in line for line in device.lines))
    assert device.process.poll() is None


def test_a_standing_job_over_a_live_source_survives_without_a_gateway(site):
    device, gateway = site.device(sources=("machine=proc:100hz",)), site.gateway()
    gateway.wait_ready()
    assert {info.key for info in gateway.birth.sources} >= {"pi/cpu", "pi/mem"}
    plan = Plan("moments")
    order = messages.Standing(*gateway.head, "watch", plan.canonical, "machine", 50, 0, [])
    gateway.tell("task", order)
    news = gateway.take(messages.Held)
    assert not news.inventory
    assert all(one.shard == pinned_shard(one.info.key) for one in news.streams)
    seen = {}
    while set(seen.get("pi/mem", ())) < {0, 50, 100}:
        for result in gateway.take(messages.Partials).results:
            assert not result.failed
            seen.setdefault(result.key, {})[result.task] = result.data
    value = plan.finish(seen["pi/mem"][50])["moments"]
    assert value["count"] == 50
    assert value["mean"] > 0

    gateway.grant = gateway.acknowledge = False
    gateway.link.close()
    device.kill()  # everything at once: no gateway, a power cut, a restart
    site.device(sources=("machine=proc:100hz",))
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not list((site.store / "outbox").glob("*.out")):
        time.sleep(0.05)
    later = site.gateway(term=2)
    later.wait_ready()
    while True:
        results = [one for one in later.take(messages.Partials).results if one.key == "pi/mem"]
        if any(result.task > max(seen["pi/mem"]) for result in results):
            break


def test_other_peoples_topics_are_a_source(site):
    site.device(sources=("house=mqtt:home/kitchen",))
    gateway = site.gateway()
    gateway.wait_ready()
    order = messages.Standing(*gateway.head, "t", Plan("moments").canonical, "house", 2, 0, [])
    gateway.tell("task", order)
    found = []

    def there():
        found.extend(one for one in gateway.inbox if isinstance(one, messages.Partials))
        return bool(found)

    for _ in range(40):
        gateway.link.publish("home/kitchen", b'{"value": 21.5}', purpose="x")
        if gateway.loop.run_until(there, 0.3):
            break
    assert Plan("moments").finish(found[0].results[0].data)["moments"]["mean"] == 21.5


def test_a_drain_stores_what_was_sampled(site):
    device, gateway = site.device(sources=("machine=proc:50hz",)), site.gateway()
    gateway.wait_ready()
    time.sleep(1.0)
    assert device.terminate() == 0
    site.device()
    gateway.until(lambda: gateway.birth.boot == 2 and gateway.statuses[-1] == "ready")
    gateway.tell("task", messages.InventoryAsk(*gateway.head))
    held = gateway.take(messages.Held)
    assert {one.info.key: one.runs[0].sample_count > 20 for one in held.streams} == {
        f"pi/{name}": True for name in ("cpu", "ctxt", "intr", "mem", "net_rx", "net_tx")
    }
    wanted = [messages.BlockRange("machine", "pi/mem", 0, 0)]
    gateway.tell("task", messages.SendBlocks(*gateway.head, 5, wanted))
    block = decode_block(gateway.take(messages.Blocks).blocks[0])
    assert block.boot == 1
    assert min(array("i", block.data)) > 0


def test_a_serial_line_is_sampled_and_its_pulled_plug_told(site, tmp_path):
    line = Line(tmp_path)
    device = site.device(sources=(f"scale=serial:{line.path}@10hz",))
    gateway = site.gateway()
    gateway.wait_ready()
    order = messages.Standing(*gateway.head, "s", Plan("moments").canonical, "scale", 2, 0, [])
    gateway.tell("task", order)
    found = []

    def there():
        found.extend(one for one in gateway.inbox if isinstance(one, messages.Partials))
        return bool(found)

    for _ in range(40):
        line.say("\n21.5\n21.5\n")
        if gateway.loop.run_until(there, 0.3):
            break
    assert Plan("moments").finish(found[0].results[0].data)["moments"]["mean"] == 21.5
    line.pull()
    await_true(lambda: any("is not there: plug the device in" in one for one in device.lines))
    line.plug()
    await_true(lambda: "pi: source scale: samples come in again" in device.lines)
    assert device.terminate() == 0
