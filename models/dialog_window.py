"""What the dialog network is and what it is given, told without the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wire.events import MODALITIES, Modality

Features = Sequence[npt.NDArray[np.float32] | None]


@dataclass(frozen=True)
class FusionConfig:
    """Widths and depths; the defaults are the paper's for MELD, with attention to the past only.

    Attributes:
        text_dim: D_T, the width of the text stream and of the fusion layers.
        audio_dim: D_A.
        face_dim: the first half of D_V.
        scene_dim: the second half of D_V.
        classes: number of emotions.
        encoders: N of section 3.3: 1 for MELD, 5 for IEMOCAP; table 4 tries 1 to 6.
        fusion_layers: m of section 3.3, 5 for both; table 5 tries 1 to 6.
        heads: of every attention; they divide the width of each stream.
        dropout: 0.4 to 0.5 in the paper.
        causal: encoders and fusion layers see the past and the present only; else the whole dialog, as in the paper.
        evidence: the branches' own log-probabilities are added to what the dialog says; never in the paper.

    Raises:
        ValueError: a depth or a number of classes below 1, or a dropout that is no share.
    """

    text_dim: int
    audio_dim: int = 300
    face_dim: int = 300
    scene_dim: int = 300
    classes: int = 7
    encoders: int = 1
    fusion_layers: int = 5
    heads: int = 4
    dropout: float = 0.4
    causal: bool = True
    evidence: bool = False

    def __post_init__(self) -> None:
        for name in ("text_dim", "audio_dim", "face_dim", "scene_dim", "classes", "encoders", "fusion_layers", "heads"):
            if getattr(self, name) < 1:
                message = f"{name}={getattr(self, name)}: the fusion needs at least 1"
                raise ValueError(message)
        if not 0 <= self.dropout < 1:
            message = f"dropout={self.dropout}: a share between 0 and 1 is needed"
            raise ValueError(message)

    @property
    def visual_dim(self) -> int:
        """Return D_V: the width of face and scene together."""
        return self.face_dim + self.scene_dim


@dataclass(frozen=True, eq=False)
class Window:
    """The embeddings ``(dim,)`` of consecutive utterances, None where a modality is absent; four of equal length."""

    text: Features
    audio: Features
    face: Features
    scene: Features

    def present(self) -> list[list[Modality]]:
        """Return the modalities that each utterance has."""
        return [
            [name for name in MODALITIES if getattr(self, name)[index] is not None] for index in range(len(self.text))
        ]
