"""Gateways of one site on a virtual clock: the real cores of both sides, ledgers in memory, and a
broker that keeps order on the topic of who leads and on no other.
Each gateway is killed, paused, cut off and started again; what it has committed outlives it. The
leader is given records to commit and "acknowledges" each once its core lets it. Whoever begins to
lead must have all that was ever acknowledged.
"""

import heapq
from random import Random

from atoll.gateway import pairing as pair
from atoll.gateway import records as r
from atoll.gateway.feed import Feed
from atoll.gateway.lead import Register
from atoll.gateway.pairing import Place
from atoll.gateway.rows import pack
from atoll.gateway.standby import Purpose, Standby, ours_of
from atoll.sim.ledger import MemoryLedger
from atoll.wire import gateways as wire
from atoll.wire.codec import decode, encode
from atoll.wire.limits import LEDGER_PART_BYTES_MAX

VERSION = 2
COMMIT_S = 0.003


class Broken(AssertionError):
    """What must not be."""


class World:
    def __init__(self, seed, *, loss=0.0, jitter_s=0.0, duplication=0.0):
        self.random = Random(seed)
        self.now = 0.0
        self.loss, self.jitter_s, self.duplication = loss, jitter_s, duplication
        self.nodes = {}
        self.retained = None
        self.acknowledged = {}  # value -> (name, term, when)
        self.turns = []
        self._queue, self._count = [], 0

    def after(self, delay_s, call, *arguments):
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay_s, self._count, call, arguments))

    def run(self, seconds):
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self.now, _, call, arguments = heapq.heappop(self._queue)
            call(*arguments)
        self.now = until

    def add(self, name, *, lead):
        self.nodes[name] = Node(self, name, lead)
        return self.nodes[name]

    @property
    def leaders(self):
        return [node for node in self.nodes.values() if node.feed is not None and node.serving]

    # --- the broker ---

    def route(self, message, retain):
        """Take a message and send it to each session in the order of the topic."""
        data = encode(message)
        if retain:
            self.retained = data
        for node in self.nodes.values():
            self.deliver(node, data, retained=False)

    def deliver(self, node, data, *, retained):
        if not node.up:
            return
        message = decode(data)
        lead, late_s = isinstance(message, wire.Lead), 0.0
        if not lead and self.random.random() < self.loss:
            if isinstance(message, wire.Beat | wire.Heard):
                return
            late_s = 1.0  # it is repeated
        for _ in range(2 if self.random.random() < self.duplication else 1):
            delay_s = late_s + 0.001 + self.jitter_s * self.random.random()
            when = self.now + delay_s
            if lead:
                when = node.last = max(when, node.last + 1e-6)
            self.after(when - self.now, node.arrive, node.session, data, retained)

    def restart(self):
        """The broker is killed, with what it retained."""
        self.retained = None
        for node in self.nodes.values():
            node.drop()


class Node:
    """One gateway: its disk, and the process that may run on it."""

    def __init__(self, world, name, lead):
        self.world, self.name, self.lead = world, name, lead
        self.ledger = MemoryLedger()
        self.alive = self.up = self.paused = self.cut = self.serving = False
        self.session = self.process = 0
        self.last = 0.0
        self.feed = self.core = self.register = None
        self.stopped_for = ""
        self.inbox, self.waiting, self.stuck = [], [], []
        self.held, self.pending, self.unsent, self.unheard = [], [], [], []
        self.copy = self.new = None

    # --- the process ---

    def start(self, alone=False):
        if self.alive:
            return
        self.alive, self.paused = True, False
        self.process += 1
        self.register = Register(self.name)
        self.stand_by(Purpose(lead=self.lead, alone=alone))
        self.connect()

    def kill(self):
        self.alive = self.up = self.serving = False
        self.process += 1
        self.session += 1
        self.feed = self.core = None
        self.inbox.clear()
        self.waiting.clear()
        self.held, self.pending, self.unsent, self.unheard = [], [], [], []
        self.copy = self.new = None

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False
        waiting, self.waiting = self.waiting, []
        for call, arguments in waiting:
            call(*arguments)

    def settings(self):
        return {row.name: row.value for row in self.ledger.tables[r.SettingSet].values()}

    def stand_by(self, purpose):
        found = self.settings()
        ours = ours_of(found, self.name, found.get("term", 100))
        beat = 1_000 * self.process + int(self.world.now * 100)
        self.feed, self.serving = None, False
        self.core = Standby(self.register, purpose, ours, VERSION, beat)

    def serve(self, lead):
        """Lead: on what the ledger says."""
        have = {row.key for row in self.ledger.tables[r.MarkSet].values()}
        lacking = set(self.world.acknowledged) - have
        if lacking:
            one = min(lacking)
            raise Broken(
                f"{self.name} leads under term {lead.term} without {len(lacking)} that were"
                f" acknowledged, such as {one} by {self.world.acknowledged[one]}"
            )
        self.world.turns.append((self.world.now, self.name, lead.term))
        self.register.adopt(lead)
        found = self.settings()
        place = Place(found["place"], found["place_term"]) if "place" in found else None
        self.core = None
        self.feed = Feed(self.register, lead.term, place, VERSION)
        self.held, self.pending, self.copy = [], [], None
        begun = [r.SettingSet("term", lead.term), r.SettingSet("turn", lead.turn)]
        begun += self.feed.stamp()  # with the first commit, before anything is said
        self.ledger.commit(begun)
        if place is not None:
            self.happen(pair.Committed(pack(begun)))

    # --- the session ---

    def connect(self):
        if not self.alive or self.up:
            return
        if self.cut or self.paused:
            self.world.after(0.5, self.connect)
            return
        self.up = True
        self.session += 1
        if self.world.retained is not None:
            self.world.deliver(self, self.world.retained, retained=True)
        self.happen(pair.Opened())
        unsent, self.unsent = self.unsent, []
        for message, retain in unsent:  # as a link does: after the subscriptions
            self.publish(message, retain)
        unheard, self.unheard = self.unheard, []
        for term, values in unheard:
            self.heard(term, values)

    def drop(self):
        if self.up:
            self.up = False
            self.session += 1
            self.happen(pair.Closed())
            self.world.after(0.1 + self.world.random.random(), self.connect)

    def sever(self):
        """Cut off: the broker notices after its keep-alive."""
        self.cut = True
        self.world.after(2.0, self.drop)

    def heal(self):
        """The path is whole again: what a session that outlived the cut still has, arrives."""
        self.cut = False
        stuck, self.stuck = self.stuck, []
        for call, arguments in stuck:
            call(*arguments)

    def arrive(self, session, data, retained):
        if self.paused:
            self.waiting.append((self.arrive, (session, data, retained)))
        elif self.cut:
            self.stuck.append((self.arrive, (session, data, retained)))
        elif self.up and session == self.session:
            self.happen(pair.Said(decode(data), retained))

    def publish(self, message, retain):
        kept = isinstance(message, wire.Batch | wire.Copy)
        if not self.up:
            if kept and len(self.unsent) < 200:
                self.unsent.append((message, retain))
        else:
            self.world.after(0.001, self.sent, self.session, message, retain)

    def sent(self, session, message, retain):
        if self.cut:
            self.stuck.append((self.sent, (session, message, retain)))
        elif session == self.session:
            self.world.route(message, retain)

    # --- the cores ---

    def happen(self, event):
        core = self.feed if self.feed is not None else self.core
        if not self.alive or core is None:
            return
        for effect in core.handle(event, self.world.now):
            self.carry_out(effect)
            if core is not (self.feed if self.feed is not None else self.core):
                return
        due = core.next_wakeup()
        if due is not None:
            self.world.after(max(0.0, due - self.world.now) + 1e-6, self.wake, self.process, due)

    def wake(self, process, due):
        if process != self.process:
            return
        if self.paused:
            self.waiting.append((self.wake, (process, due)))
            return
        core = self.feed if self.feed is not None else self.core
        if core is not None and core.next_wakeup() == due:
            self.happen(pair.Woken())

    def carry_out(self, effect):
        match effect:
            case pair.Publish(message, retain):
                self.publish(message, retain)
            case pair.Ready():
                self.serving = True
            case pair.Release(number):
                while self.held and self.held[0][0] <= number:
                    self.say(self.held.pop(0)[1])
            case pair.Stamp():
                self.commit([])
            case pair.ReadCopy(copy):
                data = pack(self.ledger.load())
                size = LEDGER_PART_BYTES_MAX // 200  # many parts of little
                self.copy = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
                self.read(copy)
            case pair.ReadMore(copy):
                self.read(copy)
            case pair.StepDown():
                self.held, self.pending, self.unsent, self.unheard = [], [], [], []
                self.stand_by(Purpose(lead=self.lead))
                self.drop()
            case pair.Commit(records):
                self.ledger.commit(records)
            case pair.BeginCopy():
                self.new = MemoryLedger()
            case pair.AddCopy(records):
                self.new.commit(records)
            case pair.EndCopy(keep):
                if keep:
                    self.ledger = self.new
                self.new = None
            case pair.TakeOver(lead):
                self.serve(lead)
                self.drop()
            case pair.GiveUp(reason):
                self.stopped_for = reason
                self.kill()

    def read(self, copy):
        piece = self.copy.pop(0)
        last = not self.copy
        self.world.after(0.001, self.piece, self.process, copy, piece, last)

    def piece(self, process, copy, data, last):
        if process == self.process and self.feed is not None:
            self.happen(pair.CopyRead(copy, data, last))

    # --- the site ---

    def decide(self, value):
        """The leader is asked to remember a value: it acknowledges it when it may."""
        if self.feed is not None and self.serving and self.alive and not self.paused:
            self.pending.append(value)
            if len(self.pending) == 1:
                self.world.after(COMMIT_S, self.flush, self.process)

    def flush(self, process):
        if process != self.process:
            return
        if self.paused:
            self.waiting.append((self.flush, (process,)))
            return
        values, self.pending = self.pending, []
        if self.feed is not None and values:
            self.commit(values)

    def commit(self, values):
        records = [r.MarkSet("job", value, 1) for value in values] + self.feed.stamp()
        self.ledger.commit(records)
        if self.feed.place is not None:
            self.happen(pair.Committed(pack(records)))
        if self.feed is None:
            return
        place = self.feed.place
        if self.feed.holding:
            self.held.append((place.number, values))
        else:
            self.say(values)

    def say(self, values):
        """Acknowledged, if anybody is there to hear it."""
        if not self.up:
            self.unheard.append((self.feed._term, values))  # a link keeps it for the next session
            return
        self.heard(self.feed._term, values)

    def heard(self, term, values):
        for value in values:
            self.world.acknowledged.setdefault(value, (self.name, term, self.world.now))
