"""What every baseline starts from: the features as M2FNet takes them in."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.dialog_window import FusionConfig
from models.networks.fusion import DialogBatch, FeatureInput
from trainer.dialogs.features import MODALITIES, Modality


class ConcatenatedInput(nn.Module):
    """The features of every utterance side by side, each normalised, a learned vector where it is absent.

    Shape:
        output ``(batch, utterances, dim)``, ``dim`` the sum of the modalities' widths.
    """

    def __init__(self, config: FusionConfig, modalities: Sequence[Modality] = MODALITIES) -> None:
        super().__init__()
        widths = {name: int(getattr(config, f"{name}_dim")) for name in modalities}
        self.dim = sum(widths.values())
        self.inputs = nn.ModuleDict({name: FeatureInput(width) for name, width in widths.items()})

    def forward(self, batch: DialogBatch) -> Tensor:
        """Return the features of the modalities, in their order."""
        parts = [
            part(getattr(batch, name), getattr(batch, f"{name}_present") & batch.valid)
            for name, part in self.inputs.items()
        ]
        return torch.cat(parts, dim=-1)
