"""The text branch: an utterance in the context of its neighbours, through a Hugging Face encoder."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.text_input import TokenBatch

if TYPE_CHECKING:  # loading it takes seconds
    from transformers import PreTrainedModel


class TextEncoder(nn.Module):
    """A Hugging Face encoder; the utterance's embedding is the mean over its own tokens.

    Shape:
        ``input_ids``, ``attention_mask``, ``utterance_mask``: ``(batch, tokens)``; output
        embedding ``(batch, width)`` and logits ``(batch, classes)``.
    """

    def __init__(self, encoder: "PreTrainedModel", classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.encoder = encoder
        # It is asked for none, and would complain of having none to whatever looks at all it has, as tracers do.
        self.encoder.loss_function = None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, classes)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, utterance_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(embedding, logits)``."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        embedding = mean_of_own_tokens(hidden, utterance_mask)
        return embedding, self.head(self.dropout(embedding))


def mean_of_own_tokens(hidden: Tensor, utterance_mask: Tensor) -> Tensor:
    """Return ``(batch, width)``: the mean of hidden states ``(batch, tokens, width)`` where the mask is 1."""
    weight = utterance_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def as_tensors(batch: TokenBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the arrays of a :class:`TokenBatch` as tensors, in the order of ``TextEncoder.forward``."""
    return (
        torch.from_numpy(batch.input_ids),
        torch.from_numpy(batch.attention_mask),
        torch.from_numpy(batch.utterance_mask),
    )
