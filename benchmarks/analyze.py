"""Hours of media that ``m2fnet analyze`` does in an hour: one file, and a folder of files; and where the time goes.

    python benchmarks/analyze.py [FILE ...] [--engine NAME] [--set SECTION.KEY=VALUE] [--json OUT]

Without files it takes the demo clip. The models are loaded once before the clock starts, and their load is told apart.
The profile is of wall time in each part, as the thread that does it sees it: parts run beside each other, so the sum
may exceed the whole. The floor is the part that takes longest: were all else free, it would still take that long.
"""

import functools
import inspect
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

from live_server import ROOT
from rich.console import Console
from rich.table import Table
from written import script_parser, write_json

from commands.measured import machine
from models.networks.faces import FaceDetector
from models.runtime import worker
from stream.analysis import AnalysisError, analyze_file
from stream.config import load_settings
from stream.live_models import LiveModels
from stream.sources.decode import Decoder
from stream.speech.transcriber import Transcriber
from stream.speech.vad import SpeechDetector
from trainer.evaluation.text_tables import terminal_table

PARTS: Final[dict[str, tuple[type, str]]] = {
    "decoding": (Decoder, "media"),
    "voice activity": (SpeechDetector, "__call__"),
    "speech recognition": (Transcriber, "_finish"),
    "finding faces": (FaceDetector, "detect_all"),
    "networks": (worker.Worker, "_run"),
}

_END: Final = object()


class Clock:
    """Adds up the time that threads spend in named parts."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, part: str, seconds: float) -> None:
        """Count so many seconds."""
        with self._lock:
            self.spent[part] += seconds

    @contextmanager
    def counting(self, part: str) -> Iterator[None]:
        """Count the time until the end of the block."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(part, time.perf_counter() - begun)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time counted; of a generator, the time until each of its values."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever it takes and returns
            """Run and count."""
            with self.counting(part):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:  # noqa: ANN401 - the same
            """Yield and count."""
            values = function(*args, **kwargs)
            while True:
                with self.counting(part):
                    value = next(values, _END)
                if value is _END:
                    return
                yield value

        return generate if inspect.isgeneratorfunction(function) else call


@contextmanager
def profiled(clock: Clock) -> Iterator[None]:
    """Count the time of every part while it lasts."""
    with ExitStack() as stack:
        for part, (kind, method) in PARTS.items():
            stack.enter_context(mock.patch.object(kind, method, clock.timed(part, getattr(kind, method))))
        yield


@dataclass(frozen=True)
class Done:
    """One run: seconds of media, of waiting, and of each part."""

    name: str
    files: int
    media_s: float
    took_s: float
    utterances: int
    parts: dict[str, float]

    @property
    def speed(self) -> float:
        """Return hours of media in an hour."""
        return self.media_s / self.took_s


def run(name: str, paths: Sequence[Path], models: LiveModels) -> Done:
    """Analyze files one after the other."""
    clock = Clock()
    with profiled(clock):
        begun = time.perf_counter()
        results = [analyze_file(path, models=models) for path in paths]
        took = time.perf_counter() - begun
    media_s = sum(result.duration_ms for result in results) / 1000
    return Done(name, len(paths), media_s, took, sum(len(each.utterances) for each in results), dict(clock.spent))


def speeds(runs: Sequence[Done]) -> Table:
    """Return the table of the speeds, and each part's share of the whole."""
    rows = []
    for done in runs:
        shares = (f"{done.parts.get(part, 0.0) / done.took_s:.0%}" for part in PARTS)
        figures = (f"{done.media_s:.0f} s", f"{done.took_s:.1f} s", f"{done.speed:.2f}", str(done.utterances))
        rows.append([done.name, str(done.files), *figures, *shares])
    return terminal_table(["", "files", "media", "took", "hours an hour", "utterances", *PARTS], rows)


def main() -> None:
    """Measure and print."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("files", nargs="*", type=Path, default=[ROOT / "demo" / "clip.mp4"])
    parser.add_argument("--engine", default="auto", help="what computes the networks, as runtime.engine (auto)")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change a setting")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures there too")
    options = parser.parse_args()
    settings = load_settings(None, [f"runtime.engine={options.engine}", *options.set])
    begun = time.perf_counter()
    models = LiveModels.load(settings)
    loaded_s = time.perf_counter() - begun
    try:
        runs = [run(path.name, [path], models) for path in options.files]
        runs += [run("all", options.files, models)] if len(options.files) > 1 else []
    except AnalysisError as error:
        sys.exit(f"analyze.py: {error}")
    finally:
        models.close()
    table, loaded = speeds(runs), f"models loaded in {loaded_s:.1f} s"
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table, loaded, "; ".join(machine().values()), sep="\n")
    if options.write:
        options.write.write_figures([table, loaded], data=", ".join(path.name for path in options.files))
    if options.json:
        write_json(options.json, {"loaded_s": loaded_s, "runs": [asdict(done) for done in runs]})


if __name__ == "__main__":
    main()
