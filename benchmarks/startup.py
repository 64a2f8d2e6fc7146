"""What starting takes: time, processor time and memory of the commands from nothing to their end, or to being ready.

    python benchmarks/startup.py [--repeat N] [--clip FILE]

Each command runs in a process of its own, caches warm; figures are medians. The memory is the most that a process held:
what is its own, and what is mapped from files and shared by all that map them. On Linux alone.
"""

import os
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from live import positive
from live_client import record
from live_server import ROOT, serving
from rich.console import Console
from written import script_parser

from trainer.evaluation.text_tables import terminal_table
from wire.pcm import to_pcm

DEMO: Final = ROOT / "demo" / "clip.mp4"
_SAMPLES: Final = 8_000  # half a second
_SAMPLING_S: Final = 0.02
_MIB: Final = 2**10  # of the kernel's KiB


@dataclass(frozen=True)
class Start:
    """What one start took; memory in KiB."""

    seconds: float
    processor_s: float
    own: int
    mapped: int

    @property
    def memory(self) -> int:
        """Return both together."""
        return self.own + self.mapped


class Memory:
    """The most that a process holds, looked at from time to time in a thread."""

    def __init__(self, pid: int) -> None:
        self.own, self.mapped = 0, 0
        self._pid, self._ended = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLING_S):
            self.look()

    def look(self) -> None:
        """Look now; a process that has ended holds nothing."""
        try:
            lines = Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8").splitlines()
        except OSError:
            return
        kib = {
            key: int(rest.split()[0]) for key, _, rest in (line.partition(":") for line in lines) if key[:3] == "Rss"
        }
        own, mapped = kib.get("RssAnon", 0), kib.get("RssFile", 0)
        if own + mapped > self.own + self.mapped:
            self.own, self.mapped = own, mapped

    def close(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


def ended(words: Sequence[str]) -> Start:
    """Return what a command takes from its start to its end."""
    begun = time.perf_counter()
    line = [sys.executable, "-m", "cli", *words]
    process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory = Memory(process.pid)
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - begun
    memory.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    return Start(took_s, used.ru_utime + used.ru_stime, memory.own, memory.mapped)


def ready() -> Start:
    """Return what a server takes until it listens."""
    with serving([]) as server:
        memory = Memory(server.pid)
        memory.look()
        memory.close()
        fields = Path(f"/proc/{server.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        spent_s = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        return Start(server.ready_s, spent_s, memory.own, memory.mapped)


def rows(clip: Path, repeat: int) -> Iterator[list[str]]:
    """Yield the table's rows."""
    commands = {"m2fnet --help": ["--help"], "m2fnet check": ["check"], "m2fnet analyze, 0.5 s": ["analyze", str(clip)]}
    for title, words in commands.items():
        yield cells(title, [ended(words) for _ in range(repeat)])
    yield cells("m2fnet serve, until it listens", [ready() for _ in range(repeat)])


def cells(title: str, starts: Sequence[Start]) -> list[str]:
    """Return a row."""
    took_s, spent_s = (median(getattr(start, name) for start in starts) for name in ("seconds", "processor_s"))
    own, mapped = (median(getattr(start, name) for start in starts) / _MIB for name in ("own", "mapped"))
    return [title, f"{took_s:.1f} s", f"{spent_s:.1f} s", f"{own:,.0f} MiB", f"{mapped:,.0f} MiB"]


def half_a_second(path: Path) -> Path:
    """Write the demo clip's first half second of sound, and return where."""
    sound = record(DEMO).sound[:_SAMPLES]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(to_pcm(sound))
    return path


def main() -> None:
    """Print the table."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--clip", type=Path, help="what is analyzed (the first half second of the demo clip's sound)")
    parser.add_argument("--repeat", type=positive, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        clip = options.clip or half_a_second(Path(folder) / "short.wav")
        ended(["analyze", str(clip)])  # whatever must be converted is, from here on
        found = list(rows(clip, options.repeat))
    table = terminal_table(("command", "time", "processor time", "memory, its own", "mapped"), found)
    Console(highlight=False).print(table)
    if options.write:
        options.write.write_figures([table], data=f"the median of {options.repeat}")


if __name__ == "__main__":
    main()
