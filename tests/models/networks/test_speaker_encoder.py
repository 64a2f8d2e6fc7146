from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from speech_clips import TWO_SPEAKERS
from torch.nn import functional

from models.bundle_config import STARTER
from models.media.sound import read_sound
from models.media.spectrogram import speaker_mel
from models.networks.speaker_encoder import SpeakerEncoder
from models.networks.weights import load_sharded

DIANE, SHEILA = (0.1, 0.7, 7.0, 7.6), (2.4, 3.0, 3.6, 4.2)  # where windows of each begin, in seconds


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    """That of the starter bundle."""
    network = SpeakerEncoder()
    weights = load_sharded([STARTER / "speakers.safetensors"])
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval().requires_grad_(False)


def windows(starts: tuple[float, ...], gain: float = 1.0) -> torch.Tensor:
    samples = read_sound(TWO_SPEAKERS)
    cut = [samples[round(start * 16_000) :][: round(1.2 * 16_000)] for start in starts]
    return torch.from_numpy(speaker_mel(np.stack(cut) * np.float32(gain)))


def test_each_window_is_nearer_to_the_others_of_its_voice_than_to_those_of_another(encoder: SpeakerEncoder) -> None:
    told = {starts: encoder(windows(starts)) for starts in (DIANE, SHEILA)}
    for own, other in ((DIANE, SHEILA), (SHEILA, DIANE)):
        for place, window in enumerate(told[own]):
            rest = torch.cat([told[own][:place], told[own][place + 1 :]])
            near, far = (functional.cosine_similarity(window, some.mean(dim=0), dim=0) for some in (rest, told[other]))
            assert near > far + 0.05


def test_embeddings_have_unit_length_whatever_the_number_of_frames(encoder: SpeakerEncoder) -> None:
    for frames in (1, 37, 160, 300):
        found = encoder(torch.rand(3, frames, 40))
        assert found.shape == (3, 256)
        assert found.norm(dim=1) == pytest.approx(torch.ones(3), abs=1e-5)
        assert found.min() >= 0


def test_who_is_far_from_the_microphone_is_the_same_speaker(encoder: SpeakerEncoder) -> None:
    near, far = encoder(windows(DIANE)), encoder(windows(DIANE, gain=0.01))
    assert (near * far).sum(dim=1).min() > 0.99


def test_silence_gives_finite_answers(encoder: SpeakerEncoder) -> None:
    assert encoder(torch.from_numpy(speaker_mel(np.zeros((1, 19_200), np.float32)))).isfinite().all()


def test_where_nothing_is_left_to_rectify_nothing_is_divided_by_zero() -> None:
    network = SpeakerEncoder(8).eval().requires_grad_(False)
    network.projector.bias.fill_(-10)
    for kind in (torch.float32, torch.bfloat16):
        assert (network.to(kind)(torch.rand(2, 20, 40, dtype=kind)) == 0).all()


def test_a_window_is_told_alone_and_in_a_batch_alike(encoder: SpeakerEncoder) -> None:
    together = windows((*DIANE, *SHEILA))
    alone = torch.cat([encoder(one[None]) for one in together])
    torch.testing.assert_close(encoder(together), alone, rtol=0, atol=1e-5)


def test_the_starters_file_is_small() -> None:
    path: Path = STARTER / "speakers.safetensors"
    assert path.stat().st_size < 3_000_000
    assert load_file(path)["lstm.weight_hh_l2"].dtype == np.float16
