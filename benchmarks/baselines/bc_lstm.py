"""bc-LSTM (Poria et al., 2017): the context of each modality by an LSTM of its own, then one over all of them."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from baselines.inputs import ConcatenatedInput
from models.dialog_window import FusionConfig
from models.networks.fusion import DialogBatch
from trainer.dialogs.features import STREAMS

_HIDDEN: Final = 150  # of each direction


class _ContextLstm(nn.Module):
    """An LSTM over the utterances of each dialog, in both directions or forward only."""

    def __init__(self, dim: int, hidden: int, *, past_only: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, hidden, batch_first=True, bidirectional=not past_only)
        self.dim = hidden if past_only else 2 * hidden

    def forward(self, stream: Tensor, valid: Tensor) -> Tensor:
        """Return ``(batch, utterances, dim)``; reading backwards starts at each dialog's own last utterance."""
        lengths = valid.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(stream, lengths, batch_first=True, enforce_sorted=False)
        output, _ = self.lstm(packed)
        contexts, _ = pad_packed_sequence(output, batch_first=True, total_length=stream.shape[1])
        return contexts


class BcLstm(nn.Module):
    """The hierarchical contextual LSTM, its two levels trained together.

    Shape:
        inputs as :class:`~models.networks.fusion.DialogBatch` names them, padding at the end; output
        ``(batch, utterances, classes)``.
    """

    def __init__(self, config: FusionConfig, hidden: int = _HIDDEN) -> None:
        super().__init__()
        inputs = [ConcatenatedInput(config, stream) for stream in STREAMS]
        contexts = [_ContextLstm(part.dim, hidden, past_only=config.causal) for part in inputs]
        self.inputs, self.contexts = nn.ModuleList(inputs), nn.ModuleList(contexts)
        self.fusion = _ContextLstm(sum(part.dim for part in contexts), hidden, past_only=config.causal)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(self.fusion.dim, config.classes)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of every utterance."""
        batch = DialogBatch(*inputs)
        streams = [
            context(self.dropout(part(batch)), batch.valid)
            for part, context in zip(self.inputs, self.contexts, strict=True)
        ]
        fused = self.fusion(self.dropout(torch.cat(streams, dim=-1)), batch.valid)
        logits: Tensor = self.classifier(self.dropout(fused))
        return logits
