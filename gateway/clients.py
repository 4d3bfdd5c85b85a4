"""What clients ask, and the answers: one method a request, one a verb."""

from collections.abc import Callable
from typing import Any

from atoll.gateway.core_parts import Parts
from atoll.gateway.desk import Desk, error_body
from atoll.gateway.effects import ForgetDevice
from atoll.gateway.errors import RequestError
from atoll.gateway.explain import Explain
from atoll.gateway.jsonable import dumps
from atoll.gateway.listings import Listings
from atoll.gateway.member import LEASED, Member
from atoll.gateway.met import MetRequests, Outcome
from atoll.wire import messages as wire

# Verbs that change nothing: they are answered as it is now, however often they are asked.
READING = frozenset({"status", "devices", "shards", "jobs", "datasets", "events", "explain"})


class Clients:
    """Dispatches requests to the parts that meet them."""

    def __init__(self, desk: Desk, listings: Listings, parts: Parts) -> None:
        self._desk = desk
        self._listings = listings
        self._parts = parts
        self.met = MetRequests(desk)
        self._requests: dict[type, Callable[[str, Any], None]] = {
            wire.Put: parts.puts.ask,
            wire.Run: parts.jobs.ask,
            wire.Get: parts.reads.ask,
            wire.Start: self._start,
            wire.Command: self._command,
        }
        self._verbs: dict[str, Callable[[str], Any]] = {
            "status": lambda target: listings.status(),
            "devices": listings.devices,
            "shards": self._shards,
            "jobs": lambda target: listings.jobs(),
            "datasets": lambda target: listings.datasets(),
            "explain": Explain(parts.members, parts.catalog, parts.owners, parts.moves).ask,
            "stop": self._stop,
            "cancel": self._cancel,
            "rm": self._remove,
            "drain": self._drain,
            "undrain": self._undrain,
            "forget": self._forget,
            "trust": self._trust,
            "retention": self._retention,
        }

    def ask(self, client: str, message: Any) -> None:
        """Meet a request or say why not; one that changes something is done once."""
        meet = self._requests.get(type(message))
        if meet is None:
            self._desk.refuse("unexpected request")
            return
        changes = self._changes(message)
        if changes and (outcome := self.met.outcome(client, message)) is not None:
            self._desk.count("repeated requests")
            self._desk.answer(client, wire.Reply(message.request, *outcome, b""))
            return
        try:
            meet(client, message)
        except RequestError as error:
            text = error_body(str(error))
            if changes:  # what could not be done then is not to be done later, unasked
                self.met.note(client, message, Outcome(wire.FAILED, text))
            self._desk.answer(client, wire.Reply(message.request, wire.FAILED, text, b""))

    def _changes(self, message: Any) -> bool:
        """Whether a request is to be done once; puts and queries see to that themselves."""
        kind = type(message)
        return kind is wire.Start or (
            kind is wire.Command and message.verb in self._verbs and message.verb not in READING
        )

    def _done(self, client: str, request: int, body: Any) -> None:
        self._desk.answer(client, wire.Reply(request, wire.DONE, dumps(body), b""))

    def _start(self, client: str, start: wire.Start) -> None:
        row = self._parts.standing.start(start).row
        every = {"every": row.every} if row.every else {"every_ms": row.every_ms}
        self._done_once(client, start, {"job": row.name, **every})

    def _done_once(self, client: str, message: Any, body: Any) -> None:
        outcome = Outcome(wire.DONE, dumps(body))
        self.met.note(client, message, outcome)
        self._desk.answer(client, wire.Reply(message.request, *outcome, b""))

    def _command(self, client: str, command: wire.Command) -> None:
        verb = self._verbs.get(command.verb)
        if verb is None:
            raise RequestError(f"no verb {command.verb!r}; known: {', '.join(self._verbs)}")
        if command.verb in READING:
            self._done(client, command.request, verb(command.target))
        else:
            self._done_once(client, command, verb(command.target))

    def _shards(self, target: str) -> list[dict[str, Any]]:
        name, _, after = target.partition(" ")
        dataset = self._parts.catalog.need(name)
        if after and not after.isdecimal():
            raise RequestError(f"shards behind {after!r}: a number is wanted")
        return self._listings.shards(dataset, int(after or -1))

    # --- verbs that change something ---

    def _stop(self, name: str) -> dict[str, Any]:
        if not self._parts.standing.stop(name):
            known = ", ".join(sorted(self._parts.standing.jobs)) or "none"
            raise RequestError(f"no standing job {name!r}; running: {known}")
        return {"stopped": name}

    def _cancel(self, job: str) -> dict[str, Any]:
        if self._parts.jobs.cancel(job) or self._parts.standing.stop(job):
            return {"cancelled": job}
        known = ", ".join([*self._parts.jobs.open, *self._parts.standing.jobs]) or "none"
        raise RequestError(f"no job {job!r} is open; open: {known}")

    def _remove(self, name: str) -> dict[str, Any]:
        dataset = self._parts.catalog.need(name)
        parts = self._parts
        for part in (parts.jobs, parts.standing, parts.puts, parts.moves):
            part.dataset_removed(name)
        refs = [wire.ShardRef(*shard.id) for shard in dataset.shards.values()]
        holders = {d for s in dataset.shards.values() for d in s.owners}
        holders |= {d for s in dataset.streams.values() for d in s.held}
        self._parts.owners.drop_dataset(dataset)
        self._parts.catalog.remove(name)
        self._desk.advance_epoch()
        for device in sorted(holders & self._parts.members.members.keys()):
            for at in range(0, len(refs), 1_024):
                head = self._desk.head(device)
                self._desk.tell(device, "task", wire.Release(*head, refs[at : at + 1_024]))
        self._desk.say("dataset", f"{name} is removed", dataset=name)
        return {"removed": name, "streams": len(dataset.streams)}

    def _retention(self, target: str) -> dict[str, Any]:
        """`NAME SECONDS BYTES`: what is kept of a dataset; 0 keeps all, "-" changes nothing."""
        name, *limits = target.split(" ")
        dataset = self._parts.catalog.need(name)
        row = dataset.row
        keep_s, keep_bytes = _limits(limits, (row.retention_s, row.retention_bytes))
        if (keep_s, keep_bytes) != (row.retention_s, row.retention_bytes):
            self._parts.catalog.set_retention(name, keep_s, keep_bytes)
            self._parts.owners.retention_changed(dataset)
            self._desk.say("retention", f"{name}: {_kept(keep_s, keep_bytes)}", dataset=name)
        return {"dataset": name, "keep_s": keep_s, "keep_bytes": keep_bytes}

    def _member(self, device: str) -> Member:
        member = self._parts.members.members.get(device)
        if member is None:
            known = ", ".join(sorted(self._parts.members.members)[:16]) or "none"
            raise RequestError(f"no device {device!r}; there are: {known}")
        return member

    def _drain(self, device: str) -> dict[str, Any]:
        member = self._member(device)
        if not member.row.draining:
            others = [
                m
                for m in self._parts.members.members.values()
                if m.serves and m.weight and m != member
            ]
            if not others and any(
                s.streams for s in self._parts.owners.owned.get(device, {}).values()
            ):
                raise RequestError(f"{device} is the last device: its shards have nowhere to go")
            self._parts.members.set_draining(member, True)
            self._parts.owners.reconsider()
            self._desk.say("drain", f"{device} is drained: its shards move away", device=device)
        shards = self._parts.owners.owned.get(device, {})
        held = self._parts.catalog.by_device.get(device, {})
        return {"draining": device, "shards": len(shards), "bytes": sum(held.values())}

    def _undrain(self, device: str) -> dict[str, Any]:
        member = self._member(device)
        if member.row.draining:
            self._parts.members.set_draining(member, False)
            self._parts.owners.reweigh(member)  # slots that it was given meanwhile weigh nothing
            self._parts.owners.reconsider()
            self._desk.say("drain", f"{device} takes shards again", device=device)
        return {"draining": "", "device": device}

    def _trust(self, device: str) -> dict[str, Any]:
        self._member(device)
        if not self._parts.audits.holds(device):
            known = ", ".join(self._parts.audits.listing()) or "nobody is"
            raise RequestError(f"{device} is not under audit; under audit: {known}")
        self._parts.audits.trust(device, "a person said so")
        return {"trusted": device}

    def _forget(self, device: str) -> dict[str, Any]:
        member = self._member(device)
        if member.state in LEASED:
            raise RequestError(f"{device} is {member.state.value}: stop it first, or drain it")
        self._parts.owners.dismiss(member)
        touched = self._parts.catalog.drop_device(device)
        self._parts.members.forget(device)
        self._parts.audits.forgotten(device)
        for shard in touched:
            self._parts.moves.look(shard)
        for shard in list(self._parts.owners.owned.get(device, {}).values()):
            self._parts.owners.set_owners(shard, tuple(d for d in shard.owners if d != device))
        self._parts.owners.owned.pop(device, None)
        self._desk.do(ForgetDevice(device))
        self._desk.say("forget", f"{device} is forgotten", device=device)
        return {"forgotten": device}


def _limits(words: list[str], now: tuple[int, int]) -> tuple[int, int]:
    """Seconds and bytes of a retention; RequestError unless both are numbers that fit the map."""
    if len(words) != 2 or not all(word == "-" or word.isdecimal() for word in words):
        raise RequestError("retention: NAME SECONDS BYTES, each a number, 0 or -")
    keep_s, keep_bytes = (
        known if word == "-" else int(word) for word, known in zip(words, now, strict=True)
    )
    if keep_s >= 2**32 or keep_bytes >= 2**63:
        raise RequestError(f"retention: at most {2**32 - 1} s and {2**63 - 1} bytes")
    return keep_s, keep_bytes


def _kept(keep_s: int, keep_bytes: int) -> str:
    parts = [f"{keep_s} s"] if keep_s else []
    parts += [f"{keep_bytes} bytes"] if keep_bytes else []
    return f"{' and '.join(parts)} are kept" if parts else "everything is kept"
