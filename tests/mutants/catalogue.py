"""Bugs that could be written into the protocol, as small changes of the real sources.

Each replaces a text that is there exactly once. Whoever changes that line changes the mutant, too:
`test_mutants.py` tells. `what` says what somebody had in mind, or forgot. What is seldom reached by
a draw of all faults names the two or three that lead to it.

What no seed reaches, or one in thousands, is not here, as nobody would find it, but in the tests of
tests/gateway and tests/runtime: results that overtake the news of their stream, which takes a
dataset that is removed; the epoch behind a release, which counts where nothing else moves; a
checkpoint that is older than the one that came meanwhile.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One bug: in `path`, `old` becomes `new`."""

    name: str
    path: str
    old: str
    new: str
    what: str
    faults: tuple[str, ...] = ()  # that bring about what it takes; empty: all, some a seed
    also: tuple[tuple[str, str], ...] = ()  # more of `path`, where two lines keep it


MUTANTS = (
    # --- the ledger and acknowledgements ---
    Mutant(
        "results-not-recorded", "gateway/jobs.py",
        "            self._desk.record(PartialsAdded(rows))\n", "",
        "results of queries are acknowledged and never committed",
    ),
    Mutant(
        "result-merged-twice", "gateway/jobs.py",
        "            elif state[number] == OPEN or query.regain(number):\n",
        "            elif True:\n",
        "a result that comes again is merged again",
    ),
    Mutant(
        "merged-not-restored", "gateway/jobs.py",
        "            if query is not None and query.state[task] == OPEN:\n"
        "                query.settle(task, data)\n",
        "            pass\n",
        "a restarted gateway forgets which results it has merged",
    ),
    Mutant(
        "window-not-recorded", "gateway/batches.py",
        "        self._desk.record(WindowSet(name, key, sample, data))\n", "",
        "a standing job's batch is acknowledged and never committed",
    ),
    Mutant(
        "mark-not-recorded", "gateway/batches.py",
        "            self._desk.record(MarkSet(", "            (lambda row: None)(MarkSet(",
        "how far a standing job has got is forgotten by a restart",
    ),
    Mutant(
        "mark-off-by-one", "gateway/batches.py",
        "late = newest < sample <= last", "late = newest <= sample <= last",
        "the newest batch counts once more when it comes again",
    ),
    Mutant(
        "old-windows-again", "gateway/batches.py",
        "            if not late and (sample <= last or not stream.may_begin(sample)):\n",
        "            if False:\n",
        "only batches that wait are looked for when one comes again",
    ),
    # --- puts ---
    Mutant(
        "put-answered-early", "gateway/puts.py",
        "        if any(w.awaited or not w.stored for w in flight.pieces):\n",
        "        if any(w.awaited and w.stored for w in flight.pieces):\n",
        "a put is answered before any disk has it",
    ),
    Mutant(
        "put-of-the-lost-answered", "gateway/puts.py",
        "        if any(w.awaited or not w.stored for w in flight.pieces):\n",
        "        if any(w.awaited for w in flight.pieces):\n",
        "a put whose devices are all lost is answered as stored",
    ),
    Mutant(
        "put-progress-not-recorded", "gateway/puts.py",
        "        self._desk.record(PutSet(*row[:3], known.next_piece, self._desk.wall_ms))\n", "",
        "a restart forgets which pieces of a put are stored",
        ("gateway", "broker"),
    ),
    Mutant(
        "piece-deduped-off-by-one", "gateway/puts.py",
        "        if piece.index < known.next_piece or",
        "        if piece.index <= known.next_piece or",
        "the next piece of a put counts as stored already",
    ),
    Mutant(
        "place-not-restored", "gateway/puts.py",
        "            stream.tail_seq = max(stream.tail_seq, row.seq + 1)\n"
        "            stream.tail_sample = max("
        "stream.tail_sample, row.first_sample + row.sample_count)\n",
        "",
        "a restart gives the place of a piece that is in doubt to another",
    ),
    Mutant(
        "tail-not-moved", "gateway/puts.py",
        "        stream.tail_sample += count\n", "        stream.tail_sample += count - 1\n",
        "a piece begins where the last sample before it is",
    ),
    Mutant(
        "confirmations-of-a-released-copy", "gateway/puts.py",
        "            if transfer.device == device and mine:\n", "            if False:\n",
        "a copy counts that its device was told to delete meanwhile",
        ("reordering", "zone", "loss"),
    ),
    Mutant(
        "transfer-numbers-used-again", "gateway/desk.py",
        "        return self.term << 32 | self._transfers\n", "        return self._transfers\n",
        "a restarted gateway numbers its transfers from 1 again",
        ("gateway", "pause"),
    ),
    # --- terms, epochs, leases ---
    Mutant(
        "term-not-raised", "gateway/core.py",
        "        self._desk.term = next_term(settings[\"term\"], wall_ms, term_least)\n",
        "        self._desk.term = settings[\"term\"] or next_term(0, wall_ms, term_least)\n",
        "a restarted gateway goes on under the old term",
    ),
    Mutant(
        "epoch-not-restored", "gateway/core.py",
        "        self._desk.epoch = settings[\"epoch\"]\n", "",
        "a restarted gateway begins with epoch 0",
    ),
    Mutant(
        "zombie-heard", "gateway/core.py",
        "            member is None or message.boot != member.row.boot\n",
        "            member is None\n",
        "what an earlier boot of a device says is believed",
        ("reordering", "wipe"),
    ),
    Mutant(
        "dead-at-suspicion", "gateway/membership.py",
        "            if silence >= profile.expiry_s - 1e-9:\n",
        "            if silence >= profile.suspect_s - 1e-9:\n",
        "ownership moves while the device still has its lease",
    ),
    Mutant(
        "own-link-not-noticed", "gateway/core.py",
        "        self.members.time.freeze()\n", "        pass\n",
        "devices die of a broker that the gateway did not reach",
    ),
    Mutant(
        "own-lag-not-noticed", "gateway/core.py",
        "            self.members.time.missed(now - self._last)\n", "            pass\n",
        "devices die of a gateway that stood still",
    ),
    Mutant(
        "stale-map-taken", "runtime/fence.py",
        "        if kind is Map and epoch < (self.map_term, self.map_epoch):\n",
        "        if False:\n",
        "a map that was overtaken is taken",
    ),
    Mutant(
        "stale-term-taken", "runtime/fence.py",
        "        if message.boot < self.term:\n", "        if False:\n",
        "a device obeys a gateway that another has followed",
    ),
    Mutant(
        "numbers-not-saved", "runtime/core.py",
        "        if grown:\n            self._save(now)\n", "        if grown:\n",
        "the barrier is missing: numbers that fence are acted on before they are on disk",
    ),
    Mutant(
        "blocks-without-lease", "runtime/custody.py",
        "        if not leased:\n", "        if False:\n",
        "blocks of others are taken in without a lease",
    ),
    Mutant(
        "lease-never-ends", "runtime/lease.py",
        "        return now < self.until\n", "        return self.until > 0.0\n",
        "a device goes on after its lease",
    ),
    Mutant(
        "lease-from-its-arrival", "runtime/lease.py",
        "        until = sent + ", "        until = now + ",
        "a lease counts from when it came, not from when it was asked for",
    ),
    Mutant(
        "lease-of-another-boot", "runtime/lease.py",
        "        if lease.device_boot != boot:\n", "        if False:\n",
        "a grant to an earlier boot counts",
    ),
    # --- copies ---
    Mutant(
        "copy-counts-when-sent", "gateway/moves.py",
        "            step.downs.add(down)\n",
        "            step.downs.add(down)\n"
        "            for stream, run in runs:\n"
        "                self._catalog.add_run(step.target, stream, run)\n",
        "a copy is on the books before its target has confirmed it",
    ),
    Mutant(
        "release-not-verified", "gateway/moves.py",
        "        if any(self._catalog.lacking(shard, d, [*live, *extra]) for d in live):\n"
        "            return\n",
        "",
        "copies are deleted without a look at whether the owners have all of it",
    ),
    Mutant(
        "release-not-fenced", "runtime/custody.py",
        "            if max(current.get(ref, 0), self._given.get(ref, 0)) <= message.epoch\n",
        "            if True\n",
        "a release deletes what came after it",
        ("reordering", "drain"),
    ),
    Mutant(
        "runs-joined-over-a-hole", "gateway/runs.py",
        "    if later.first_seq > earlier.last_seq + 1:\n",
        "    if later.first_seq > earlier.last_seq + 2:\n",
        "a missing block is thought to be there",
        # Where a block is missing, its samples are, too: either shows the hole.
        also=(
            (
                "    if later.gap or later.first_sample != "
                "earlier.first_sample + earlier.sample_count:\n",
                "    if later.gap:\n",
            ),
        ),
    ),
    Mutant(
        "confirmed-before-the-sync", "runtime/custody.py",
        "        self._desk.do(do.StoreBlocks(message.transfer, message.blocks))\n",
        "        self._desk.do(do.StoreBlocks(message.transfer, message.blocks))\n"
        "        stored = wire.Stored(*self._desk.head, message.transfer, [])\n"
        "        self._desk.publish(\"block\", stored)\n",
        "blocks are confirmed before they are on disk",
    ),
    Mutant(
        "boots-continue", "runtime/recorder.py",
        "        self._gap = seq > 0  #", "        self._gap = False  #",
        "what was sampled before a boot is thought to go on after it",
    ),
    Mutant(
        "block-number-used-again", "runtime/live.py",
        "last.last_seq + 1, end)", "last.last_seq, end)",
        "a new boot gives the number of the last block once more",
    ),
    # --- results on the device ---
    Mutant(
        "outbox-forgotten-when-sent", "runtime/labour.py",
        "        self._results.written(event.number, now, sent=self._desk.linked)\n",
        "        self._results.written(event.number, now, sent=self._desk.linked)\n"
        "        if self._desk.linked:\n"
        "            number = event.number\n"
        "            self._desk.do(do.SettleOutbox([wire.NumberSpan(number, number)]))\n",
        "a result is deleted when it is sent, before it is acknowledged",
    ),
    Mutant(
        "result-numbers-used-again", "runtime/results.py",
        "        self._next = boot << 32\n", "        self._next = 1 << 32\n",
        "a new boot numbers its results from 1 again",
    ),
    Mutant(
        "position-moves-when-begun", "runtime/standing.py",
        "            known.cursors[key] = batch.following\n",
        "            known.cursors[key] = known.marks[key] = batch.following\n",
        "a standing job's position moves on before its result is kept",
        ("slow", "crash"),
    ),
    Mutant(
        "checkpoints-not-sent", "gateway/standing.py",
        "                [held[mark.key] for mark in some if mark.key in held],\n",
        "                [],\n",
        "a replica that takes over a plan with memory begins it anew",
    ),
    Mutant(
        "checkpoints-not-kept", "runtime/standing.py",
        "                    known.checkpoints[result.key] = "
        "Checkpoint(result.key, following, anchor, data)\n",
        "                    pass\n",
        "a plan with memory begins anew with each batch",
    ),
    Mutant(
        "tasks-never-leave", "runtime/tasks.py",
        "        known.difference_update(numbers)\n", "",
        "answered tasks stay in the queue",
    ),
    Mutant(
        "missing-not-named", "gateway/jobs.py",
        "            \"complete\": not missing,\n", "            \"complete\": True,\n",
        "an answer says that it is complete while tasks are missing",
    ),
)  # fmt: skip
