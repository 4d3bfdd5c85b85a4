"""A disk whose cache goes with the power: a network block device (NBD) for QEMU on a Unix socket.

Killing QEMU alone would be kinder than a cut of power, as the host keeps all that was written. Here
a write lies in memory until the guest flushes; at a cut each block that was not flushed gets
through or does not, by chance, in whatever order.
"""

import socket
import struct
import threading

BLOCK = 4_096
EXPORT_NAME, ABORT, INFO, GO = 1, 2, 6, 7
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FLAGS = 1 | 4  # it has flags, and wants to be told to flush
REPLY_MAGIC = 0x3E889045565A9
ACK, INFORMATION, UNSUPPORTED = 1, 3, 0x80000001
NO_ZEROES = 2


class VolatileDisk:
    """A file as such a disk; one machine at a time has it."""

    def __init__(self, file, place, chance):
        self._file = file.open("r+b", buffering=0)
        self._size = file.stat().st_size
        self._chance = chance
        self._cache = {}
        self.flushes = 0
        self.held = 0  # blocks that were not flushed at the last cut
        self.lost = 0  # those of them that are gone, over all cuts
        self._until = 0
        self._stopped = threading.Event()
        self._idle = threading.Condition()
        self._connections = 0
        self.place = place
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(place))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def stop_in_a_write(self, writes, timeout_s):
        """Take so many writes more, of which the last is never answered, nor is anything after it:
        the machine is in the middle of it, and may be killed there.
        """
        self._stopped.clear()
        self._until = writes
        assert self._stopped.wait(timeout_s), "nothing is written"

    def cut(self):
        """The power is gone; call it when the machine is."""
        with self._idle:
            assert self._idle.wait_for(lambda: not self._connections, 60)
            self.held = len(self._cache)
            for number, block in self._cache.items():
                if self._chance.random() < 0.5:
                    self._put(number, block)
                else:
                    self.lost += 1
            self._cache.clear()

    def close(self):
        """No machine comes any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._file.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._idle:
                self._connections += 1
            with connection, connection.makefile("rb") as reader:
                try:
                    if self._greet(connection, reader):
                        while self._answer(connection, reader):
                            pass
                except (OSError, EOFError):
                    pass  # the machine is gone
            with self._idle:
                self._connections -= 1
                self._idle.notify_all()

    def _greet(self, connection, reader):
        """Agree on the one export that there is; whether there will be requests."""
        connection.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 1 | NO_ZEROES))
        (flags,) = struct.unpack(">I", _exactly(reader, 4))
        while True:
            option, size = struct.unpack(">8xII", _exactly(reader, 16))
            _exactly(reader, size)
            export = struct.pack(">QH", self._size, FLAGS)
            if option == EXPORT_NAME:
                connection.sendall(export + (b"" if flags & NO_ZEROES else bytes(124)))
                return True
            kinds = {INFO: (INFORMATION, ACK), GO: (INFORMATION, ACK), ABORT: (ACK,)}
            for kind in kinds.get(option, (UNSUPPORTED,)):
                data = struct.pack(">H", 0) + export if kind == INFORMATION else b""
                head = struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data))
                connection.sendall(head + data)
            if option in (GO, ABORT):
                return option == GO

    def _answer(self, connection, reader):
        """One request; whether another may follow."""
        head = struct.unpack(">IHHQQI", _exactly(reader, 28))
        _, _, kind, handle, start, size = head
        data, error = b"", 0
        if kind == DISCONNECT:
            return False
        if kind == READ:
            data = self._read(start, size)
        elif kind == WRITE:
            self._write(start, _exactly(reader, size))
            if self._until:
                self._until -= 1
                if not self._until:
                    self._stopped.set()
                    while reader.read(BLOCK):
                        pass  # unheard
                    return False
        elif kind == FLUSH:
            self._flush()
        else:
            error = 22
        connection.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + data)
        return True

    def _block(self, number):
        found = self._cache.get(number)
        if found is None:
            self._file.seek(number * BLOCK)
            found = self._file.read(BLOCK)
        return found

    def _read(self, start, size):
        first, end = start // BLOCK, -(-(start + size) // BLOCK)
        whole = b"".join(self._block(number) for number in range(first, end))
        return whole[start - first * BLOCK :][:size]

    def _write(self, start, data):
        first, end = start // BLOCK, -(-(start + len(data)) // BLOCK)
        whole = bytearray().join(self._block(number) for number in range(first, end))
        whole[start - first * BLOCK : start - first * BLOCK + len(data)] = data
        for at in range(end - first):
            self._cache[first + at] = bytes(whole[at * BLOCK : (at + 1) * BLOCK])

    def _flush(self):
        self.flushes += 1
        for number, block in self._cache.items():
            self._put(number, block)
        self._cache.clear()

    def _put(self, number, block):
        self._file.seek(number * BLOCK)
        self._file.write(block)


def _exactly(reader, size):
    data = reader.read(size)
    if len(data) < size:
        raise EOFError
    return data
