"""The environments of benchmarks/peers.py, one for each peer, and the programs that run in them."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from live_server import ROOT

PROGRAMS: Final = Path(__file__).with_name("peer_programs")
# The versions that were compared.
PACKAGES: Final = {
    "faster-whisper": ("faster-whisper==1.2.1",),
    "whisperlivekit": ("whisperlivekit==0.2.26", "faster-whisper==1.2.1"),
    "fer": ("fer==25.10.3",),
}
_LAST_WORDS: Final = 2000


class PeerError(Exception):
    """A peer can't be installed or does not run; the message holds its last words."""


@dataclass(frozen=True)
class Run:
    """What a program took for its work once it was warm, and how many items came of it."""

    seconds: float
    processor_s: float
    peak_bytes: int
    items: int


def environment(name: str, folder: Path) -> Path:
    """Return the Python of a peer's environment, which is made where it is not there.

    Raises:
        PeerError: its packages can't be installed.
    """
    place, packages = folder / name, PACKAGES[name]
    python, done = place / "bin" / "python", place / ".done"
    wanted = "\n".join(packages)
    if not (done.exists() and done.read_text(encoding="utf-8") == wanted):
        print(f"installing {name}", file=sys.stderr, flush=True)
        venv.create(place, with_pip=True, clear=True)
        _finished([str(python), "-m", "pip", "install", "--quiet", *packages])
        done.write_text(wanted, encoding="utf-8")
    return python


def run_theirs(python: Path, program: str, *words: str) -> Run:
    """Run a program in a peer's environment.

    Raises:
        PeerError: it failed.
    """
    return _run([str(python), str(PROGRAMS / program), *words])


def run_ours(program: str, *words: str) -> Run:
    """Run a program in our environment.

    Raises:
        PeerError: it failed.
    """
    return _run([sys.executable, str(PROGRAMS / program), *words], PYTHONPATH=str(ROOT))


def _run(command: Sequence[str], **variables: str) -> Run:
    return Run(**json.loads(_finished(command, **variables).splitlines()[-1]))


def _finished(command: Sequence[str], **variables: str) -> str:
    """Return what a command printed; what would put our modules before a peer's is not passed on."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=inherited | variables)
    if result.returncode:
        message = f"{' '.join(command)} failed:\n{result.stderr[-_LAST_WORDS:]}"
        raise PeerError(message)
    return result.stdout
