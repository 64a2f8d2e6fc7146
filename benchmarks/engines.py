"""How long each network takes on each engine, in each precision, for batches of 1, 8 and 32, in one run.

    python benchmarks/engines.py [--case ENGINE:PRECISION]... [--bundle BUNDLE] [--threads N] [--seconds S]

The engines take turns, so that what else the machine does falls on all alike; ratios are against the first one. Before,
each is started in a process of its own, with nothing kept from earlier (which converts or builds the networks) and
again with what was kept, for the times to start and the memory. int8 networks must have been made with
``m2fnet export`` before; they are started with those alone.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, cast

import numpy as np
import psutil
from rich.console import Console
from written import script_parser

from models.bundle import Bundle, load_bundle
from models.bundle_config import NetworkName, find_bundle
from models.media.spectrogram import SAMPLE_RATE, sound_input, speaker_mel
from models.runtime.engine import INPUT_NAMES, Array, Engine, ServedName
from models.runtime.names import EngineName, PrecisionName
from models.runtime.network_inputs import examples
from models.runtime.select import choose_engine
from trainer.evaluation.text_tables import terminal_table

CASES: Final = ("torch:float32", "torch:bfloat16", "openvino:float32", "openvino:int8", "onnxruntime:float32")
BATCHES: Final = (1, 8, 32)
MIN_RUNS: Final = 5

Times = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Question:
    """One row of a network's input, and what it is."""

    title: str
    network: ServedName
    inputs: dict[str, Array]

    def batch(self, rows: int) -> dict[str, Array]:
        """Return it so many times."""
        return {name: np.repeat(array, rows, axis=0) for name, array in self.inputs.items()}


def questions(bundle: Bundle) -> Iterator[Question]:
    """Yield what a live session asks of each network."""
    generator, config = np.random.default_rng(0), bundle.config
    ones: Array = np.ones((1, 32), np.int64)
    yield Question("text, 32 tokens", "text", dict.fromkeys(INPUT_NAMES["text"], ones))
    if "audio" in config.networks:
        samples = generator.normal(size=3 * SAMPLE_RATE).astype(np.float32)
        yield Question("voice, 3 s", "audio", {"images": sound_input(config.audio.kind, [samples])})
    if "speaker" in config.networks:
        window = generator.normal(size=(1, round(1.2 * SAMPLE_RATE))).astype(np.float32)
        yield Question("speaker, 1.2 s", "speaker", {"mel": speaker_mel(window)})
    frames: list[tuple[NetworkName, str]] = [("face", f"face, {config.face.size} px"), ("scene", "scene")]
    for name, title in frames:
        if name in config.networks:
            yield Question(title, name, _one(name, bundle, generator))
    dialog: dict[str, Array] = {"valid": np.ones((1, 16), np.bool_)}
    for name in ("text", "audio", "face", "scene"):
        dialog[name] = generator.normal(size=(1, 16, getattr(config.fusion, f"{name}_dim"))).astype(np.float32)
        dialog[f"{name}_present"] = np.ones((1, 16), np.bool_)
    yield Question("fusion, 16 utterances", "fusion", dialog)
    yield Question("P-Net, 73 x 129", "pnet", {"images": generator.normal(size=(1, 3, 73, 129)).astype(np.float32)})
    yield Question("R-Net", "rnet", _one("rnet", bundle, generator))
    yield Question("O-Net", "onet", _one("onet", bundle, generator))


def _one(name: ServedName, bundle: Bundle, generator: np.random.Generator) -> dict[str, Array]:
    shape = examples(name, bundle.config)[0].shape[1:]
    return {"images": generator.normal(size=(1, *shape)).astype(np.float32)}


def started(case: str, bundle: Bundle, threads: int) -> Engine:
    """Return the engine of ``ENGINE:PRECISION``, warm."""
    name, _, precision = case.partition(":")
    return choose_engine(cast("EngineName", name), bundle, threads, cast("PrecisionName", precision or "auto"))


def take_turns(calls: Sequence[Callable[[], object]], seconds: float) -> list[Times]:
    """Return what each call took, taking turns for ``seconds``: ``(runs, 2)``, time and processor time in ms."""
    for call in calls:
        call()
    spent: list[list[tuple[float, float]]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(spent[-1]) < MIN_RUNS:
        for call, times in zip(calls, spent, strict=True):
            start, used = time.perf_counter(), time.process_time()
            call()
            times.append(((time.perf_counter() - start) * 1000, (time.process_time() - used) * 1000))
    return [np.array(times) for times in spent]


def cells(times: Sequence[Times], rows: int) -> Iterator[str]:
    """Yield for each engine p50 and p95 in milliseconds, rows a second, and how many times the first's speed."""
    first = float(np.median(times[0][:, 0]))
    for spent in times:
        middle, late = np.percentile(spent[:, 0], [50, 95])
        yield f"{middle:.1f} / {late:.1f}, {rows * 1000 / middle:.0f}/s, {first / middle:.1f}x"


def start_alone(case: str, bundle: str | None, threads: int) -> None:
    """Start one engine, run each network's largest batch, and print the seconds that took and the memory."""
    loaded = load_bundle(find_bundle(bundle))
    begun = time.perf_counter()
    engine = started(case, loaded, threads)
    seconds = time.perf_counter() - begun
    kept = psutil.Process().memory_info().rss
    for question in questions(loaded):
        engine.run(question.network, question.batch(BATCHES[-1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux
    print(f"{seconds:.1f} {kept / 2**20:.0f} {peak / 2**10:.0f}")


def starts(case: str, options: argparse.Namespace) -> tuple[str, ...]:
    """Return the seconds to start with nothing kept and with what was kept, and the memory then, as texts."""
    command = [sys.executable, __file__, "--alone", case, "--threads", str(options.threads)]
    command += ["--bundle", options.bundle] if options.bundle else []
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        if case.endswith(":int8"):
            return ("-", *_figures(command, dict(os.environ)))
        first, *_ = _figures(command, environment)
        return (first, *_figures(command, environment))


def _figures(command: Sequence[str], environment: dict[str, str]) -> list[str]:
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return found.stdout.splitlines()[-1].split()


def main() -> None:
    """Print the tables."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--case", action="append", help=f"none: {', '.join(CASES)}")
    parser.add_argument("--bundle", help="a bundle's folder; none: the starter")
    parser.add_argument("--threads", type=int, default=0, help="0: let the engine choose")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each network and batch")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        start_alone(options.alone, options.bundle, options.threads)
        return
    console, cases = Console(width=200, highlight=False), options.case or list(CASES)
    headings = ("engine", "s, nothing kept", "s, kept", "MiB then", "MiB at most")
    begun = terminal_table(headings, [(case, *starts(case, options)) for case in cases], title="start")
    console.print(begun)
    bundle = load_bundle(find_bundle(options.bundle))
    engines = [started(case, bundle, options.threads) for case in cases]
    timed = []
    for question in questions(bundle):
        for rows in BATCHES:
            inputs = question.batch(rows)
            times = take_turns([partial(engine.run, question.network, inputs) for engine in engines], options.seconds)
            timed.append((question.title, str(rows), *cells(times, rows)))
    title = "p50 / p95 ms, rows a second, speed against the first"
    taken = terminal_table(("network", "batch", *cases), timed, title=title)
    console.print(taken)
    if options.write:
        options.write.write_figures([taken, begun], data="random inputs", seed="0")


if __name__ == "__main__":
    main()
