"""The servers of benchmarks/peers.py: what each shows of a clip that comes at the pace of life, and what it takes."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from live_client import compose, play_all, record
from live_server import ProcessMeter, serving, stop
from peer_environment import PeerError
from transcript_clock import Delays, Shown, Turn, delays
from whisperlivekit_client import listen_to

from models.media.sound import read_sound
from trainer.stages.packaged import packaged_whisper
from wire.events import Emotion, EventBase, TranscriptPartial, UtteranceDiscarded

_START_S: Final = 180.0


@dataclass(frozen=True)
class Live:
    """How late the words of the turns were, and what the server took of the machine while the clip played."""

    delays: Delays
    processor_s: float
    peak_bytes: int


def our_server(clip: Path, turns: Sequence[Turn]) -> Live:
    """Play a clip to ``m2fnet serve``."""
    messages = compose(record(clip), 1)
    with serving([]) as server, ProcessMeter(server.pid) as meter:
        (played,) = play_all(server.address, messages, 1)
        used_s = meter.used_s
    return Live(delays(turns, shown([(item.at_ms, item.event) for item in played.heard])), used_s, meter.peak_bytes)


def shown(events: Sequence[tuple[float, EventBase]]) -> list[Shown]:
    """Return what a page has of the words at each event that changes them: final are those of final emotions."""
    texts: dict[int, tuple[int, str]] = {}
    final: set[int] = set()
    told = []
    for at_ms, event in events:
        match event:
            case TranscriptPartial() | Emotion():
                texts[event.utterance] = (event.start_ms, event.text)
                if isinstance(event, Emotion) and event.final:
                    final.add(event.utterance)
            case UtteranceDiscarded():
                texts.pop(event.utterance, None)
            case _:
                continue
        in_order = sorted(texts.items(), key=lambda item: item[1])
        stays = [word for number, (_, text) in in_order if number in final for word in text.split()]
        told.append(Shown(at_ms, stays, [word for _, (_, text) in in_order for word in text.split()]))
    return told


def whisperlivekit_server(python: Path, clip: Path, turns: Sequence[Turn]) -> Live:
    """Play a clip to WhisperLiveKit's server.

    Raises:
        PeerError: it does not start.
    """
    sound = read_sound(clip)
    with _whisperlivekit(python) as (pid, address), ProcessMeter(pid) as meter:
        told = asyncio.run(listen_to(address, sound))
        used_s = meter.used_s
    return Live(delays(turns, told), used_s, meter.peak_bytes)


@contextmanager
def _whisperlivekit(python: Path) -> Iterator[tuple[int, str]]:
    """Start the server as its README says, with our Whisper tiny.en; yield its process and ``host:port``."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--backend", "faster-whisper", "--backend-policy", "localagreement", "--language", "en", "--pcm-input"]
    place = ["--model_dir", str(packaged_whisper()), "--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    command = [str(python.with_name("whisperlivekit-server")), *options, "--no-vac", *place]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, text=True)
    try:
        _wait_for(process, f"http://{address}/health")
        yield process.pid, address
    finally:
        stop(process)


def _wait_for(process: "subprocess.Popen[str]", health: str) -> None:
    begun = time.perf_counter()
    while time.perf_counter() - begun < _START_S and process.poll() is None:
        with suppress(OSError), urlopen(health):  # noqa: S310 - the server that was started here
            return
        time.sleep(0.2)
    message = f"WhisperLiveKit's server did not start: {' '.join(map(str, process.args))}"  # type: ignore[arg-type]
    raise PeerError(message)
