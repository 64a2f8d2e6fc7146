"""An engine and an extractor of one's own, each in one class: what docs/architecture.md says of adding them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tiny_bundle import IMAGE_DIM
from torch import Tensor, nn
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.dialog_window import Window
from models.labels import LABELS
from models.runtime.engine import INPUT_NAMES, OUTPUT_NAMES, Array, Engine, EngineInfo, Outputs, ServedName
from models.runtime.fallback import Candidate, FallbackEngine
from models.runtime.network_inputs import run_once
from models.runtime.onnx_engine import OnnxRuntimeEngine
from models.runtime.runtime import Runtime
from models.runtime.served_networks import served_networks
from models.runtime.torch_engine import TorchEngine
from models.text_input import Turn


class DoubleEngine:
    """Computes in double precision, which no other engine does."""

    name = "double-cpu"

    def __init__(self, bundle: Bundle) -> None:
        self._config = bundle.config
        self._networks = {name: deepcopy(network).double() for name, network in served_networks(bundle).items()}

    def warm_up(self) -> None:
        run_once(self, list(self._networks), self._config)

    @torch.inference_mode()
    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        tensors = [torch.from_numpy(inputs[name]) for name in INPUT_NAMES[network]]
        found = self._networks[network](*(each.double() if each.is_floating_point() else each for each in tensors))
        outputs = found if isinstance(found, tuple) else (found,)
        return {name: each.float().numpy() for name, each in zip(OUTPUT_NAMES[network], outputs, strict=True)}

    def describe(self) -> EngineInfo:
        return EngineInfo("double", "cpu", "float32", torch.__version__, {})


class Loudness(nn.Module):
    """Hears of a spectrogram only how much each band varies."""

    def __init__(self) -> None:
        super().__init__()
        self.projector = nn.Linear(128, IMAGE_DIM)
        self.head = nn.Linear(IMAGE_DIM, len(LABELS))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.projector(images[:, 0].square().mean(dim=-1))
        return embedding, self.head(embedding)


def named(bundle: Bundle, engine: Engine) -> np.ndarray:
    """Return the probabilities of one utterance by words and voice."""
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    with Runtime(bundle, engine) as runtime:
        text = runtime.text([Turn("anna", "never again")], 0).result(PATIENCE_S)
        voice = runtime.audio(sound).result(PATIENCE_S)
        assert voice is not None
        return runtime.fuse(Window([text.embedding], [voice.embedding], [None], [None])).result(PATIENCE_S)


def test_an_engine_of_one_class_serves_a_bundle_as_the_others_do(bundle: Bundle) -> None:
    engine = FallbackEngine([Candidate("double", DoubleEngine)], bundle, lambda: bundle, required=True)
    assert engine.name == "double-cpu"
    np.testing.assert_allclose(named(bundle, engine), named(bundle, TorchEngine(bundle)), atol=1e-4)


def test_an_extractor_of_one_class_is_served_and_fused(bundle: Bundle, tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = replace(bundle, audio=Loudness().eval())  # type: ignore[arg-type] # the bundles on disk have two kinds
    by_torch = named(own, TorchEngine(own))
    assert np.abs(by_torch - named(bundle, TorchEngine(bundle))).max() > 1e-3
    np.testing.assert_allclose(named(own, OnnxRuntimeEngine(own, folder=tmp_path)), by_torch, atol=1e-3)
