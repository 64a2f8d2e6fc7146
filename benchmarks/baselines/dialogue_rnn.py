"""DialogueRNN (Majumder et al., 2019): a state for the dialog, one for each speaker, and one for the emotion."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.inputs import ConcatenatedInput
from models.dialog_window import FusionConfig
from trainer.dialogs.features import SpokenBatch

_STATE: Final = 150  # of the dialog and of each speaker
_EMOTION: Final = 100


class _Reading(nn.Module):
    """One reading of a dialog from its first utterance to its last (section 3.3); listeners keep their state."""

    def __init__(self, dim: int, state: int, emotion: int, dropout: float) -> None:
        super().__init__()
        self.dialog = nn.GRUCell(dim + state, state)
        self.party = nn.GRUCell(dim + state, state)
        self.emotion = nn.GRUCell(state, emotion)
        self.relevance = nn.Linear(dim, state, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, utterances: Tensor, parties: Tensor) -> Tensor:
        """Return the emotion's state at every utterance, ``(batch, utterances, emotion)``."""
        count, width = len(utterances), self.dialog.hidden_size
        speakers = functional.one_hot(parties)
        states = utterances.new_zeros(count, speakers.shape[2], width)
        dialog = [utterances.new_zeros(count, width)]
        emotions = [utterances.new_zeros(count, self.emotion.hidden_size)]
        for said, speaks in zip(utterances.unbind(1), speakers.bool().unbind(1), strict=True):
            state = states[speaks]
            context = self._context(said, dialog)
            dialog.append(self.dropout(self.dialog(torch.cat([said, state], dim=1), dialog[-1])))
            state = self.dropout(self.party(torch.cat([said, context], dim=1), state))
            states = torch.where(speaks.unsqueeze(2), state.unsqueeze(1), states)
            emotions.append(self.dropout(self.emotion(state, emotions[-1])))
        return torch.stack(emotions[1:], dim=1)

    def _context(self, said: Tensor, dialog: list[Tensor]) -> Tensor:
        """Return the past of the dialog ``(batch, state)`` as far as it matters for what is said."""
        past = torch.stack(dialog[1:] or dialog, dim=1)  # the state before the first word is no part of it
        weights = torch.einsum("bs,bts->bt", self.relevance(said), past).softmax(dim=1)
        return torch.einsum("bt,bts->bs", weights, past)


class DialogueRnn(nn.Module):
    """DialogueRNN, or BiDialogueRNN where the configuration is not causal.

    Shape:
        inputs as :class:`~trainer.dialogs.features.SpokenBatch` names them, padding at the end; output
        ``(batch, utterances, classes)``.
    """

    def __init__(self, config: FusionConfig, state: int = _STATE, emotion: int = _EMOTION) -> None:
        super().__init__()
        self.input = ConcatenatedInput(config)
        directions = 1 if config.causal else 2
        self.readings = nn.ModuleList(
            [_Reading(self.input.dim, state, emotion, config.dropout) for _ in range(directions)]
        )
        self.classifier = nn.Sequential(
            nn.Linear(directions * emotion, state),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(state, config.classes),
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of every utterance."""
        batch = SpokenBatch(*inputs)
        utterances = self.input(batch)
        orders = [None, _backwards(batch.valid)][: len(self.readings)]
        emotions = [
            _read(reading, utterances, batch.parties, order)
            for reading, order in zip(self.readings, orders, strict=True)
        ]
        logits: Tensor = self.classifier(torch.cat(emotions, dim=-1))
        return logits


def _read(reading: nn.Module, utterances: Tensor, parties: Tensor, order: Tensor | None) -> Tensor:
    """Read the utterances in an order that is its own inverse, and put what was found back in theirs."""
    if order is None:
        found: Tensor = reading(utterances, parties)
        return found
    rows = torch.arange(len(order), device=order.device).unsqueeze(1)
    found = reading(utterances[rows, order], parties[rows, order])
    return found[rows, order]


def _backwards(valid: Tensor) -> Tensor:
    """Return for each dialog its utterances from the last to the first, padding where it is."""
    places = torch.arange(valid.shape[1], device=valid.device)
    last = valid.sum(dim=1, keepdim=True) - 1
    return torch.where(valid, last - places, places)
