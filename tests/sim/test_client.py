"""The client: what it asks is answered, said again while it is not."""

from atoll.sim.client import PLANS
from atoll.wire import messages as wire


def test_every_plan_is_answered(stored):
    client, replies = stored.clients[0], []
    for plan in PLANS:
        client.query(plan, dataset="v", then=replies.append)
    stored.world.run(stored.world.now + 10.0)
    assert [reply.status for reply in replies] == [wire.DONE] * len(PLANS)
    assert stored.checker.answers == len(PLANS)


def test_a_request_is_said_until_somebody_answers(stored):
    client, replies = stored.clients[0], []
    stored.gateway.kill()
    client.query(PLANS[0], dataset="v", then=replies.append)
    stored.world.run(stored.world.now + 5.0)
    assert client.open
    stored.gateway.start()
    stored.world.run(stored.world.now + 30.0)
    assert [reply.status for reply in replies] == [wire.DONE]


def test_wishes_are_bounded(site):
    client = site.clients[0]
    site.gateway.kill()
    for _ in range(100):
        client.wish()
    assert 12 <= len(client.open) <= 15


def test_a_drain_is_undone(stored):
    client = stored.clients[0]
    while not client.drained:
        client._drain()
    stored.world.run(stored.world.now + 5.0)
    member = stored.gateway.core.members.members[client.drained]
    assert member.row.draining
    client.undo()
    stored.world.run(stored.world.now + 5.0)
    assert not member.row.draining
