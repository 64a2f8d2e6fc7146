"""What each branch says by itself, as evidence beside the dialog network: calibrated log-probabilities, weighed.

A dialog network on embeddings alone can't tell how much a branch is to be believed on people it has never heard: on
its training data every branch looks surer than it is. So the branches' own heads, divided by their temperatures, stay
inside the fusion; how much each counts for an utterance is found from what they say, and added to what the dialog
says (a mixture of experts in log space: Jordan and Jacobs, 1994; stacking on log-probabilities: Wolpert, 1992).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

HEADS: Final = ("text", "audio", "face")
"""The modalities whose branch names an emotion by itself; a scene's never does."""
_LEAST: Final = -8.0  # log-probabilities below say no more
_HIDDEN: Final = 32
_ONE: Final = 0.5413  # softplus of it is 1: at first every branch counts once


@dataclass(frozen=True, eq=False)
class OwnHead:
    """A branch's last layer and temperature; it takes the embedding, which all but the text's rectify before."""

    linear: nn.Linear
    temperature: float


class Evidence(nn.Module):
    """From the embeddings of an utterance to logits: the branches' log-probabilities, each times its weight.

    Args:
        widths: of the embedding of each of :data:`HEADS`.
        classes: number of emotions.

    Shape:
        embeddings ``(batch, utterances, width)`` and masks ``(batch, utterances)`` by modality; output logits
        ``(batch, utterances, classes)``, zeros where an utterance has none of them.
    """

    def __init__(self, widths: Mapping[str, int], classes: int) -> None:
        super().__init__()
        heads = {name: nn.Linear(widths[name], classes) for name in HEADS}
        for head in heads.values():  # one that is never taken says nothing: all classes alike
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.heads = nn.ModuleDict(heads).requires_grad_(False)
        last = nn.Linear(_HIDDEN, len(HEADS))
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, _ONE)
        self.weigh = nn.Sequential(nn.Linear(len(HEADS) * (classes + 1), _HIDDEN), nn.ReLU(), last)

    @torch.no_grad()
    def take(self, heads: Mapping[str, OwnHead]) -> None:
        """Take the branches' own heads, each divided by its temperature."""
        for name, given in heads.items():
            if name in self.heads:
                scaled = {key: value / given.temperature for key, value in given.linear.state_dict().items()}
                self.heads[name].load_state_dict(scaled)

    def forward(self, embeddings: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return the logits."""
        told = torch.stack([self._told(name, embeddings[name], present[name]) for name in HEADS], dim=2)
        masks = torch.stack([present[name] for name in HEADS], dim=-1).to(told.dtype)
        weights = functional.softplus(self.weigh(torch.cat([told.flatten(2), masks], dim=-1)))
        logits: Tensor = (weights.unsqueeze(-1) * told).sum(dim=2)
        return logits

    def _told(self, name: str, embedding: Tensor, present: Tensor) -> Tensor:
        """Return ``(batch, utterances, classes)``: log-probabilities, zeros where the modality is absent."""
        mask = present.unsqueeze(-1)
        clean = embedding.masked_fill(~mask, 0.0)
        logits = self.heads[name](clean if name == "text" else torch.relu(clean))
        return functional.log_softmax(logits, dim=-1).clamp(min=_LEAST).masked_fill(~mask, 0.0)
