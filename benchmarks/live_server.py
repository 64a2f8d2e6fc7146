"""The server for benchmarks/live.py, started as a user starts it, and what it uses of the machine."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.request import urlopen

import psutil

from commands.measured import cores

ROOT: Final = Path(__file__).resolve().parents[1]
START_S: Final = 180.0
STOP_S: Final = 20.0
SAMPLING_S: Final = 0.1
ADDRESS: Final = re.compile(r"http://([\w.:\[\]-]+)/")


class ServerError(Exception):
    """The server did not start; the message holds its last words."""


@dataclass(frozen=True)
class Server:
    """A running server: its process, its ``host:port``, and how long it took to listen."""

    pid: int
    address: str
    ready_s: float


class ServerOutput:
    """Reads what the server says, so that it never waits for a reader, and keeps the last lines."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.address: str | None = None
        self.settled = threading.Event()  # the address is known, or never will be
        self._lines = lines
        self._last: deque[str] = deque(maxlen=20)
        self._thread = threading.Thread(target=self._read, name="server output", daemon=True)
        self._thread.start()

    @property
    def tail(self) -> str:
        """Return the last lines."""
        return "\n".join(self._last)

    def _read(self) -> None:
        for line in self._lines:
            self._last.append(line.rstrip())
            if self.address is None and (found := ADDRESS.search(line)):
                self.address = found[1]
                self.settled.set()
        self.settled.set()


@contextmanager
def serving(settings: Sequence[str]) -> Iterator[Server]:
    """Start ``m2fnet serve`` on a free port and stop it afterwards."""
    # What is measured is the engine, not the one that stands in while it is built.
    options = [part for setting in ("runtime.build_in_background=false", *settings) for part in ("--set", setting)]
    command = [sys.executable, "-m", "cli", "serve", "--port", "0", *options]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        address = wait_for_address(ServerOutput(process.stderr or ()))
        yield Server(process.pid, address, time.perf_counter() - begun)
    finally:
        stop(process)


def wait_for_address(output: ServerOutput) -> str:
    """Return where the server listens; raise :class:`ServerError` with its last words if it does not."""
    in_time = output.settled.wait(START_S)
    if output.address is None:
        what = "ended before it listened" if in_time else f"did not listen within {START_S:.0f} s"
        message = f"the server {what}:\n{output.tail}"
        raise ServerError(message)
    return output.address


def stop(process: subprocess.Popen[str]) -> None:
    """Stop the server as Ctrl-C does, and kill it when that takes too long."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Load:
    """What was used while the clip played; shares are of all cores together, 0 to 1.

    The lag is that of the server's event loop since its start.
    """

    server_share: float
    client_share: float
    machine_share: float
    peak_bytes: int
    loop_lag_p99_ms: float
    loop_lag_max_ms: float


class ProcessMeter:
    """Measures a process with those it started, from :meth:`__enter__` on: processor time and most memory."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        """Begin."""
        self._before_s = processor_s(tree(self._process))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop sampling."""
        self._stop.set()
        self._thread.join()

    @property
    def used_s(self) -> float:
        """Return the processor's seconds so far."""
        return processor_s(tree(self._process)) - self._before_s

    def _sample(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, memory_bytes(tree(self._process)))
            if self._stop.wait(SAMPLING_S):
                return


class Meter:
    """Measures a server with those it started, this one, and the machine, from :meth:`__enter__` to :meth:`load`."""

    def __init__(self, server: Server) -> None:
        self._server = ProcessMeter(server.pid)
        self._health = f"http://{server.address}/healthz"
        self._own = psutil.Process()

    def __enter__(self) -> Self:
        """Begin."""
        psutil.cpu_percent()  # counts from here on
        self._begun = time.perf_counter()
        self._client_s = processor_s([self._own])
        self._server.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop sampling."""
        self._server.__exit__(kind, error, at)

    def load(self) -> Load:
        """Return the figures so far."""
        with urlopen(self._health) as answer:  # noqa: S310 - the server that was started here
            event_loop = json.load(answer)["event_loop"]
        available = (time.perf_counter() - self._begun) * cores()
        return Load(
            server_share=self._server.used_s / available,
            client_share=(processor_s([self._own]) - self._client_s) / available,
            machine_share=psutil.cpu_percent() / 100,
            peak_bytes=self._server.peak_bytes,
            loop_lag_p99_ms=event_loop["lag_p99_ms"],
            loop_lag_max_ms=event_loop["lag_max_ms"],
        )


def tree(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all it started; none once it has ended."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def processor_s(processes: Iterable[psutil.Process]) -> float:
    """Return the processor time used by all of them."""

    def used_s(process: psutil.Process) -> float:
        times = process.cpu_times()
        return times.user + times.system

    return sum(over(processes, used_s))


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the resident memory of all of them."""
    return int(sum(over(processes, lambda process: process.memory_info().rss)))


def over(processes: Iterable[psutil.Process], figure: Callable[[psutil.Process], float]) -> Iterator[float]:
    """Yield a figure of each process that is still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            yield figure(process)
