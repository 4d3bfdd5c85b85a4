"""QMP, by which QEMU is told to reset, stop or show an emulated board (`-qmp unix:PATH,...`)."""

import json
import select
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

LOOK_S = 0.02  # between two looks for the socket of a QEMU that is just starting


class QmpError(Exception):
    """QEMU refused an order, or is not there; the message says what it said."""

    exit_code = 1


class Qmp:
    """One connection to a QEMU; an order returns when QEMU has answered it."""

    def __init__(
        self, path: Path, timeout_s: float = 20.0, alive: Callable[[], bool] = lambda: True
    ) -> None:
        """Connect, as soon as the socket at `path` is there; QmpError where `alive` says first that
        it will not come, or the time is up.
        """
        self._socket = _connected(path, timeout_s, alive)
        self._stream = self._socket.makefile("rw")
        self._count = 0
        try:
            self._read()  # it says who it is
            self.order("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def order(self, command: str, **arguments: Any) -> Any:
        """Carry out a command: what QEMU returns of it. QmpError where it refuses."""
        return self.answer(self.post(command, **arguments))

    def post(self, command: str, **arguments: Any) -> int:
        """Give a command out, and do not wait; its number for `answer`. QEMU answers a
        `system_reset` only when it is done, for which the processor must run.
        """
        self._count += 1
        words = {"execute": command, "id": self._count, "arguments": arguments}
        try:
            print(json.dumps(words), file=self._stream, flush=True)
        except OSError as error:
            raise QmpError(f"{command}: {error.strerror or error}") from None
        return self._count

    def answer(self, number: int) -> Any:
        """What QEMU returns of an earlier command; the answers before it are passed over."""
        try:
            while True:
                answer = self._read()
                if answer.get("id") == number:  # events and earlier answers have another one
                    break
        except OSError as error:
            raise QmpError(f"no answer: {error.strerror or error}") from None
        if "error" in answer:
            raise QmpError(str(answer["error"].get("desc", "refused")))
        return answer["return"]

    def skip(self) -> None:
        """Pass over a line of what QEMU tells by itself."""
        self._read()

    def fileno(self) -> int:
        """For `select`: there is something to `answer` or `skip`."""
        return self._socket.fileno()

    def memory(self, start: int, size: int, path: Path) -> bytes:
        """What lies at an address of the board now; `path`: a file for QEMU to write it to."""
        words = {"val": start, "size": size, "filename": str(path)}
        try:
            self.order("memsave", **words)
        except QmpError:  # the core's MPU has the page of a guard: past it
            self.order("pmemsave", **words)
        return path.read_bytes()

    def close(self) -> None:
        """Hang up; the board runs on."""
        self._stream.close()
        self._socket.close()

    def _read(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise QmpError("QEMU has hung up")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _connected(path: Path, timeout_s: float, alive: Callable[[], bool]) -> socket.socket:
    for _ in range(int(timeout_s / LOOK_S) + 1):
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(timeout_s)
        try:
            control.connect(str(path))
            return control
        except (FileNotFoundError, ConnectionRefusedError):
            control.close()
        if not alive():
            break
        select.select([], [], [], LOOK_S)
    raise QmpError("QEMU does not answer")
