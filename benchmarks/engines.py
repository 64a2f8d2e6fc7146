"""How long each network takes in each engine on this machine, in one run.

    python benchmarks/engines.py [--engine ENGINE]... [--bundle BUNDLE] [--precision P] [--threads N] [--seconds S]

The engines take turns, and the best of many runs counts, so that what else the machine does falls on all alike.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Final, get_args

import numpy as np

from models.bundle import Bundle, NetworkName, find_bundle, load_bundle
from models.runtime.engine import Array, Engine
from models.runtime.names import EngineName, PrecisionName
from models.runtime.select import choose_engine
from models.spectrogram import SAMPLE_RATE

USUAL: Final[tuple[EngineName, ...]] = ("openvino", "onnxruntime", "torch")


def sound(bundle: Bundle, seconds: float) -> dict[str, Array]:
    """Return the audio network's input for so much noise."""
    samples = np.random.default_rng(0).normal(size=round(seconds * SAMPLE_RATE)).astype(np.float32)
    return {"images": bundle.audio_input([samples]).numpy()}


def cases(bundle: Bundle) -> list[tuple[str, NetworkName, dict[str, Array]]]:
    """Return what a live session asks for: one face, three and six seconds of sound, one text, one window."""
    generator, config = np.random.default_rng(0), bundle.config
    face = generator.normal(size=(1, 3, config.face.size, config.face.size)).astype(np.float32)
    ones = np.ones((1, 32), np.int64)
    tokens: dict[str, Array] = {"input_ids": ones, "attention_mask": ones, "utterance_mask": ones}
    window: dict[str, Array] = {"valid": np.ones((1, 16), np.bool_)}
    for name in ("text", "audio", "face", "scene"):
        window[name] = generator.normal(size=(1, 16, getattr(config.fusion, f"{name}_dim"))).astype(np.float32)
        window[f"{name}_present"] = np.ones((1, 16), np.bool_)
    return [
        ("text, 32 tokens", "text", tokens),
        (f"face, {config.face.size} x {config.face.size}", "face", {"images": face}),
        ("audio, 3 s", "audio", sound(bundle, 3.0)),
        ("audio, 6 s", "audio", sound(bundle, 6.0)),
        ("fusion, 16 utterances", "fusion", window),
    ]


def best_times(
    engines: Sequence[Engine], network: NetworkName, inputs: dict[str, Array], seconds: float
) -> list[float]:
    """Return each engine's shortest run in seconds; they take turns for ``seconds``."""
    best = [float("inf")] * len(engines)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or float("inf") in best:
        for index, engine in enumerate(engines):
            start = time.perf_counter()
            engine.run(network, inputs)
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def new_lengths(engine: Engine, bundle: Bundle, seconds: float) -> float:
    """Return the mean time of sounds whose length never came before, as utterances come."""
    times = []
    end, length = time.perf_counter() + seconds, 4.0
    while time.perf_counter() < end:
        inputs = sound(bundle, length)
        start = time.perf_counter()
        engine.run("audio", inputs)
        times.append(time.perf_counter() - start)
        length += 0.02
    return float(np.mean(times))


def started(name: EngineName, bundle: Bundle, threads: int, precision: PrecisionName) -> Engine:
    """Start an engine twice, print how long each took, and return the second."""
    for note in ("", " with what was kept"):
        start = time.perf_counter()
        engine = choose_engine(name, bundle, threads, precision)
        print(f"{name}, start{note}: {time.perf_counter() - start:.1f} s")
    print(engine.describe())
    return engine


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", action="append", choices=get_args(EngineName), help=f"none: {', '.join(USUAL)}")
    parser.add_argument("--bundle", help="a bundle's folder, starter or small; none: starter")
    parser.add_argument("--precision", default="auto", choices=get_args(PrecisionName))
    parser.add_argument("--threads", type=int, default=0, help="0: let the engine choose")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network")
    options = parser.parse_args()
    bundle = load_bundle(find_bundle(options.bundle))
    names = options.engine or USUAL
    engines = [started(name, bundle, options.threads, options.precision) for name in names]
    print(f"\n{'milliseconds':<24}" + "".join(f"{name:>16}" for name in names))
    for label, network, inputs in cases(bundle):
        times = best_times(engines, network, inputs, options.seconds)
        print(f"{label:<24}" + "".join(f"{best * 1000:>16.1f}" for best in times))
    fresh = [new_lengths(engine, bundle, options.seconds) for engine in engines]
    print(f"{'audio of new lengths':<24}" + "".join(f"{mean * 1000:>16.1f}" for mean in fresh))


if __name__ == "__main__":
    main()
