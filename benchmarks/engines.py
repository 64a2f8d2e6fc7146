"""How long each network takes in OpenVINO and in torch on this machine's processor, in one run.

    python benchmarks/engines.py [--bundle BUNDLE] [--threads N] [--seconds S]

The engines take turns, and the best of many runs counts, so that what else the machine does falls on both alike.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from models.bundle import Bundle, NetworkName, find_bundle, load_bundle
from models.face_image import INPUT_SIZE
from models.runtime.engine import Array, Engine
from models.runtime.openvino_engine import OpenVinoEngine
from models.runtime.torch_engine import TorchEngine
from models.spectrogram import SAMPLE_RATE


def sound(bundle: Bundle, seconds: float) -> dict[str, Array]:
    """Return the audio network's input for so much noise."""
    samples = np.random.default_rng(0).normal(size=round(seconds * SAMPLE_RATE)).astype(np.float32)
    return {"images": bundle.audio_input([samples]).numpy()}


def cases(bundle: Bundle) -> list[tuple[str, NetworkName, dict[str, Array]]]:
    """Return what a live session asks for: one face, three and six seconds of sound, one text, one window."""
    generator, config = np.random.default_rng(0), bundle.config
    face = generator.normal(size=(1, 3, INPUT_SIZE, INPUT_SIZE)).astype(np.float32)
    ones = np.ones((1, 32), np.int64)
    tokens: dict[str, Array] = {"input_ids": ones, "attention_mask": ones, "utterance_mask": ones}
    window: dict[str, Array] = {"valid": np.ones((1, 16), np.bool_)}
    for name in ("text", "audio", "face", "scene"):
        window[name] = generator.normal(size=(1, 16, getattr(config.fusion, f"{name}_dim"))).astype(np.float32)
        window[f"{name}_present"] = np.ones((1, 16), np.bool_)
    return [
        ("text, 32 tokens", "text", tokens),
        ("face, 96 x 96", "face", {"images": face}),
        ("audio, 3 s", "audio", sound(bundle, 3.0)),
        ("audio, 6 s", "audio", sound(bundle, 6.0)),
        ("fusion, 16 utterances", "fusion", window),
    ]


def best_times(engines: list[Engine], network: NetworkName, inputs: dict[str, Array], seconds: float) -> list[float]:
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


def timed(what: str, build: Callable[[], Engine]) -> Engine:
    """Build an engine and print how long it took."""
    start = time.perf_counter()
    engine = build()
    print(f"{what}: {time.perf_counter() - start:.1f} s")
    return engine


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", help="a bundle's folder, starter or small; none: starter")
    parser.add_argument("--threads", type=int, default=0, help="0: let the engine choose")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network")
    options = parser.parse_args()
    bundle = load_bundle(find_bundle(options.bundle))
    openvino = timed("OpenVINO, start", lambda: OpenVinoEngine(bundle, options.threads))
    openvino = timed("OpenVINO, start with what was kept", lambda: OpenVinoEngine(bundle, options.threads))
    plain = timed("torch, start", lambda: TorchEngine(bundle, "cpu", options.threads))
    print(f"\n{'network':<24}{'OpenVINO':>12}{'torch':>12}{'torch / OpenVINO':>20}")
    for label, network, inputs in cases(bundle):
        fast, slow = best_times([openvino, plain], network, inputs, options.seconds)
        print(f"{label:<24}{fast * 1000:>9.1f} ms{slow * 1000:>9.1f} ms{slow / fast:>20.2f}")
    ratio = new_lengths(plain, bundle, options.seconds) / new_lengths(openvino, bundle, options.seconds)
    print(f"{'audio of new lengths':<48}{ratio:>20.2f}")


if __name__ == "__main__":
    main()
