"""How long each network takes in OpenVINO and in torch on this machine's processor, in one run.

    python benchmarks/engines.py [--bundle FOLDER] [--threads N] [--seconds S]

Without a bundle the starter's networks are measured with random weights, which take as long. The engines
take turns, and the best of many runs counts, so that what else the machine does falls on both alike.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from models.bundle import Bundle, BundleConfig, NetworkName, TextPart, load_bundle
from models.extractor import EmotionExtractor
from models.fusion import FusionConfig, M2FNet
from models.labels import LABELS
from models.runtime.engine import Array, Engine
from models.runtime.openvino_engine import OpenVinoEngine
from models.runtime.torch_engine import TorchEngine
from models.text import TextEncoder

_MINILM = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)


def random_bundle() -> Bundle:
    """Return the starter's networks with random weights: MiniLM's text encoder, two ResNet18, the paper's fusion."""
    torch.manual_seed(0)
    width, classes = _MINILM.hidden_size, len(LABELS)
    fusion = FusionConfig(width)
    config = BundleConfig(name="random", labels=LABELS, text=TextPart(dim=width), fusion=fusion)
    text = TextEncoder(BertModel(_MINILM), classes)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordPiece()))  # type: ignore[no-untyped-call]
    bundle = Bundle(config, text, tokenizer, EmotionExtractor(classes), EmotionExtractor(classes), M2FNet(fusion))
    for network in bundle.networks().values():
        network.eval().requires_grad_(False)
    return bundle


def cases(config: BundleConfig) -> list[tuple[str, NetworkName, dict[str, Array]]]:
    """Return what a live session asks for: one face, three and six seconds of sound, one text, one window."""
    generator = np.random.default_rng(0)

    def image(*shape: int) -> dict[str, Array]:
        return {"images": generator.normal(size=(1, 3, *shape)).astype(np.float32)}

    ones = np.ones((1, 32), np.int64)
    tokens: dict[str, Array] = {"input_ids": ones, "attention_mask": ones, "utterance_mask": ones}
    window: dict[str, Array] = {"valid": np.ones((1, 16), np.bool_)}
    for name in ("text", "audio", "face", "scene"):
        window[name] = generator.normal(size=(1, 16, getattr(config.fusion, f"{name}_dim"))).astype(np.float32)
        window[f"{name}_present"] = np.ones((1, 16), np.bool_)
    return [
        ("text, 32 tokens", "text", tokens),
        ("face, 96 x 96", "face", image(96, 96)),
        ("audio, 128 x 150", "audio", image(128, 150)),
        ("audio, 128 x 300", "audio", image(128, 300)),
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


def new_lengths(engine: Engine, seconds: float) -> float:
    """Return the mean time of sounds whose length never came before, as utterances come."""
    times = []
    end, columns = time.perf_counter() + seconds, 200
    while time.perf_counter() < end:
        images = np.zeros((1, 3, 128, columns), np.float32)
        start = time.perf_counter()
        engine.run("audio", {"images": images})
        times.append(time.perf_counter() - start)
        columns += 1
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
    parser.add_argument("--bundle", type=Path, help="a bundle folder; none: random weights")
    parser.add_argument("--threads", type=int, default=0, help="0: let the engine choose")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle) if options.bundle else random_bundle()
    openvino = timed("OpenVINO, start", lambda: OpenVinoEngine(bundle, options.threads))
    openvino = timed("OpenVINO, start with what was kept", lambda: OpenVinoEngine(bundle, options.threads))
    plain = timed("torch, start", lambda: TorchEngine(bundle, "cpu", options.threads))
    print(f"\n{'network':<24}{'OpenVINO':>12}{'torch':>12}{'torch / OpenVINO':>20}")
    for label, network, inputs in cases(bundle.config):
        fast, slow = best_times([openvino, plain], network, inputs, options.seconds)
        print(f"{label:<24}{fast * 1000:>9.1f} ms{slow * 1000:>9.1f} ms{slow / fast:>20.2f}")
    ratio = new_lengths(plain, options.seconds) / new_lengths(openvino, options.seconds)
    print(f"{'audio of new lengths':<48}{ratio:>20.2f}")


if __name__ == "__main__":
    main()
