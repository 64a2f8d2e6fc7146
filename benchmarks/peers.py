"""Ours against others that do a part of it, each in its own discipline, on the same clips, taking turns.

    python benchmarks/peers.py --media MEDIA [--rounds N] [--environments FOLDER] [--json OUT]

MEDIA has two_speakers.wav with its .stm, and expressive_face.mp4. Each peer is installed from its packages into an
environment of its own the first time, which takes minutes and some GB. The disciplines:

* file: faster-whisper alone on the whole file, models loaded; ours tells emotions beside the words.
* live: WhisperLiveKit's server (LocalAgreement on faster-whisper, the same Whisper tiny.en). How long after the end
  of a turn its words are shown, and final, when the sound comes at the pace of life; ours are final with their emotion.
* faces: frames a second with faces and expressions, of fer with each of its detectors. Ours searches one frame of three
  and follows the faces in between, as it does live.

A ratio above 1 says how many times better ours is. Figures are medians of the rounds.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from peer_environment import PACKAGES, PeerError, environment, run_ours, run_theirs
from peer_servers import our_server, whisperlivekit_server
from rich.console import Console
from rich.table import Table
from transcript_clock import read_turns
from written import script_parser, write_json

from commands.measured import machine
from m2fnet_client.file_media import media_of
from models.runtime.model_cache import cache_folder
from stream.media import VideoFrame
from trainer.evaluation.text_tables import terminal_table
from trainer.stages.packaged import packaged_whisper

_FRAMES: Final = 60
_FRAMES_PER_S: Final = 8.0
_MIB: Final = 2**20


@dataclass
class Contest:
    """What was measured of ours and of one peer in one discipline, by figure and round."""

    discipline: str
    peer: str
    ours: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    theirs: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, ours: dict[str, float], theirs: dict[str, float]) -> None:
        """Add a round."""
        for name, value in ours.items():
            self.ours[name].append(value)
        for name, value in theirs.items():
            self.theirs[name].append(value)

    def rows(self) -> list[list[str]]:
        """Return a row for each figure; of "a second" more is better, of all others less."""
        return [self._row(name, median(self.ours[name]), median(self.theirs[name])) for name in self.ours]

    def _row(self, name: str, ours: float, theirs: float) -> list[str]:
        ratio = ours / theirs if name.endswith("a second") else theirs / ours
        return [self.discipline, self.peer, name, f"{ours:,.1f}", f"{theirs:,.1f}", f"{ratio:.2f}"]


class Peers:
    """The contests of a round, each ours first and then the peer."""

    def __init__(self, media: Path, environments: Path) -> None:
        self._talk, self._face = media / "two_speakers.wav", media / "expressive_face.mp4"
        self._turns = read_turns(self._talk.with_suffix(".stm"))
        self._python = {name: environment(name, environments) for name in PACKAGES}
        self.file = Contest("file", "faster-whisper")
        self.live = Contest("live", "WhisperLiveKit")
        self.faces = {detector: Contest("faces", f"fer, {detector}") for detector in ("haar", "mtcnn")}

    @property
    def contests(self) -> list[Contest]:
        """Return all of them."""
        return [self.file, self.live, *self.faces.values()]

    def round(self) -> None:
        """Measure each once."""
        self._file()
        self._live()
        self._faces()

    def _file(self) -> None:
        whisper = str(packaged_whisper())
        ours = run_ours("m2fnet_file.py", str(self._talk))
        theirs = run_theirs(self._python["faster-whisper"], "faster_whisper_file.py", whisper, str(self._talk))
        self.file.note(
            *(
                {"seconds": each.seconds, "processor, s": each.processor_s, "memory, MiB": each.peak_bytes / _MIB}
                for each in (ours, theirs)
            )
        )

    def _live(self) -> None:
        ours = our_server(self._talk, self._turns)
        theirs = whisperlivekit_server(self._python["whisperlivekit"], self._talk, self._turns)
        self.live.note(
            *(
                {
                    "words shown, ms": each.delays.shown_ms,
                    "words final, ms": each.delays.final_ms,
                    "processor, s": each.processor_s,
                    "memory, MiB": each.peak_bytes / _MIB,
                }
                for each in (ours, theirs)
            )
        )

    def _faces(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            frames = Path(folder) / "frames.npy"
            np.save(frames, _frames(self._face))
            ours = run_ours("m2fnet_faces.py", str(frames))
            for detector, contest in self.faces.items():
                theirs = run_theirs(self._python["fer"], "fer_faces.py", str(frames), detector)
                contest.note(
                    *(
                        {
                            "frames a second": _FRAMES / each.seconds,
                            "frames with a face a second": each.items / each.seconds,
                            "memory, MiB": each.peak_bytes / _MIB,
                        }
                        for each in (ours, theirs)
                    )
                )


def _frames(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Return ``(frames, height, width, 3)`` uint8 RGB from the start of a video."""
    frames = (item.image for item in media_of(path, _FRAMES_PER_S) if isinstance(item, VideoFrame))
    return np.stack(list(islice(frames, _FRAMES)))


def results(contests: Sequence[Contest]) -> Table:
    """Return the table of all figures."""
    rows = [row for contest in contests for row in contest.rows()]
    return terminal_table(["discipline", "peer", "figure", "ours", "theirs", "ours is better by"], rows)


def main() -> None:
    """Measure and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument(
        "--media", type=Path, required=True, help="a folder with two_speakers.wav, .stm, expressive_face.mp4"
    )
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="measure each so often (2)")
    parser.add_argument(
        "--environments", type=Path, default=cache_folder("peers"), help="where the peers are installed"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    try:
        peers = Peers(options.media, options.environments)
        for _ in range(options.rounds):
            peers.round()
    except (PeerError, OSError) as error:
        sys.exit(f"peers.py: {error}")
    table = results(peers.contests)
    Console(highlight=False, markup=False, soft_wrap=True).print(table, "; ".join(machine().values()), sep="\n")
    if options.write:
        options.write.write_figures([table], data="two_speakers.wav, expressive_face.mp4")
    if options.json:
        figures = {
            f"{each.discipline}, {each.peer}": {"ours": each.ours, "theirs": each.theirs} for each in peers.contests
        }
        write_json(options.json, figures)


if __name__ == "__main__":
    main()
