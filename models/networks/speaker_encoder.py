"""Who speaks: GE2E's speaker encoder (Wan et al., 2018, Generalized End-to-End Loss for Speaker Verification)."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.branches import SPEAKER_DIM
from models.media.spectrogram import SPEAKER_BANDS

_WIDTH: Final = 256
_LAYERS: Final = 3
_EPS: Final = 1e-5  # of a length that is divided by: half precision can tell it from 0


class SpeakerEncoder(nn.Module):
    """Embed a stretch of speech as one vector, which is near those of the same voice and far from those of others.

    The last state of an LSTM is projected and rectified. It learns on stretches of 160 frames, 1.6 s, and takes others.

    Shape:
        input ``(batch, frames, 40)`` as :func:`models.media.spectrogram.speaker_mel` makes it, any number of frames;
        output ``(batch, dim)``, none of it negative, each of length 1 (or 0, where nothing is left to rectify).
    """

    def __init__(self, dim: int = SPEAKER_DIM) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SPEAKER_BANDS, _WIDTH, _LAYERS, batch_first=True)
        self.projector = nn.Linear(_WIDTH, dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Return the embeddings."""
        states, _ = self.lstm(mel)
        return functional.normalize(torch.relu(self.projector(states[:, -1])), dim=-1, eps=_EPS)
