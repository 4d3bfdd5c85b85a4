"""The client's MQTT session, over a real broker."""

import queue
import threading

import pytest

from atoll.gateway.client_errors import Closed, Unreachable
from atoll.gateway.client_mail import Mail

pytestmark = pytest.mark.broker


@pytest.fixture
def mail(broker_url, request):
    opened = Mail(broker_url, client_id=f"mail-{request.node.name[:20]}")
    opened.open(5)
    yield opened
    opened.close()


def test_what_is_published_comes_to_its_handlers_only(mail):
    mine, others = queue.Queue(), queue.Queue()
    mail.subscribe("mail/a/#", lambda *message: mine.put(message))
    mail.subscribe("mail/b", lambda *message: others.put(message))
    mail.publish("mail/a/x", b"1")
    mail.publish("mail/b", b"2")
    assert mine.get(timeout=5) == ("mail/a/x", b"1", False)
    assert others.get(timeout=5) == ("mail/b", b"2", False)
    assert mine.empty()


def test_nothing_comes_after_unsubscribing(mail):
    inbox, end = queue.Queue(), threading.Event()

    def handler(*message):
        inbox.put(message)

    mail.subscribe("mail/c", handler)
    mail.unsubscribe(handler)
    mail.subscribe("mail/end", lambda *_: end.set())
    mail.publish("mail/c", b"1")
    mail.publish("mail/end", b"")
    assert end.wait(5)
    assert inbox.empty()


def test_more_than_the_links_queue_holds_goes_out_in_order(mail):
    inbox = queue.Queue()
    mail.subscribe("mail/many", lambda _topic, payload, _retained: inbox.put(payload))
    for number in range(3000):
        mail.publish("mail/many", str(number).encode())
    assert [int(inbox.get(timeout=10)) for _ in range(3000)] == list(range(3000))


def test_closed_is_closed(mail):
    mail.close()
    mail.close()
    with pytest.raises(Closed):
        mail.publish("mail/a", b"")


def test_a_list_of_brokers_is_tried_in_turn(broker_url, free_port):
    mail = Mail(f"mqtt://127.0.0.1:{free_port},{broker_url}", client_id="mail-list")
    mail.open(5)
    assert mail.down_s() == 0
    mail.close()


def test_no_broker(free_port):
    mail = Mail(f"mqtt://127.0.0.1:{free_port}", client_id="mail-none")
    with pytest.raises(Unreachable, match=r"no broker: .*refused"):
        mail.open(5)
    assert not mail._thread.is_alive()
