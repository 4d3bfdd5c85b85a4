"""The loop of one phase of a process: what it left behind never happens, what waits comes later."""

from atoll.sim.host_loop import HostLoop


def test_timers_ring_in_their_time_and_not_when_called_off(pair):
    host = pair.gateway.hosts[0]
    loop, rung = HostLoop(host), []
    now = loop.now()
    loop.call_at(now + 2.0, rung.append, "two")
    loop.call_at(now + 1.0, rung.append, "one")
    loop.call_at(now + 1.5, rung.append, "off").cancel()
    loop.post(rung.append, "soon")
    pair.world.run(now + 3.0)
    assert rung == ["soon", "one", "two"]


def test_a_process_that_stands_still_hears_of_it_afterwards_and_one_that_is_gone_never(pair):
    host = pair.gateway.hosts[0]
    loop, rung = HostLoop(host), []
    loop.call_at(loop.now() + 0.5, rung.append, 1)
    host.pause()
    pair.world.run(loop.now() + 1.0)
    assert rung == []
    host.resume()
    assert rung == [1]
    loop.call_at(loop.now() + 0.5, rung.append, 2)
    host.kill()
    host.start()
    pair.world.run(loop.now() + 1.0)
    assert rung == [1]
