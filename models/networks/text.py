"""The text branch: an utterance in the context of its neighbours, through a Hugging Face encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

if TYPE_CHECKING:  # loading it takes seconds, which a bundle's configuration needs not
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_TOKENS: Final = 128


@dataclass(frozen=True)
class Turn:
    """One utterance of a dialog, as the text branch sees it."""

    speaker: str
    text: str


@dataclass(frozen=True)
class ContextFormat:
    """How much of the dialog the encoder reads beside the utterance itself.

    The paper reads one utterance before and one after (section 3.2.1); live there is no after.
    """

    past: int = 2
    future: int = 0
    speaker_names: bool = True


@dataclass(frozen=True)
class TextPair:
    """The context and the utterance: the two segments of the encoder's input."""

    context: str
    utterance: str


@dataclass(frozen=True)
class TokenBatch:
    """A padded batch, each array ``(batch, tokens)`` int64; ``utterance_mask`` marks the utterance's own tokens."""

    input_ids: npt.NDArray[np.int64]
    attention_mask: npt.NDArray[np.int64]
    utterance_mask: npt.NDArray[np.int64]


def format_turn(turn: Turn, names: bool) -> str:
    """Return ``Name: text``, or the text alone where names are off or unknown."""
    return f"{turn.speaker}: {turn.text}" if names and turn.speaker else turn.text


def with_context(turns: Sequence[Turn], index: int, layout: ContextFormat, separator: str) -> TextPair:
    """Return the utterance at ``index`` with the turns around it, joined by the tokenizer's separator."""
    past = turns[max(0, index - layout.past) : index]
    future = turns[index + 1 : index + 1 + layout.future]
    context = [format_turn(turn, layout.speaker_names) for turn in (*past, *future)]
    return TextPair(f" {separator} ".join(context), format_turn(turns[index], layout.speaker_names))


def tokenize(
    tokenizer: "PreTrainedTokenizerBase", pairs: Sequence[TextPair], max_tokens: int = MAX_TOKENS
) -> TokenBatch:
    """Return the padded tokens of ``(context, utterance)`` pairs, the oldest context cut first."""
    tokenizer.truncation_side = "left"
    encoded = tokenizer(
        [pair.context for pair in pairs],
        [_clip(tokenizer, pair.utterance, max_tokens) for pair in pairs],
        truncation="only_first",
        max_length=max_tokens,
        padding=True,
        return_tensors="np",
    )
    own = [[part == 1 for part in encoded.sequence_ids(row)] for row in range(len(pairs))]
    return TokenBatch(
        np.asarray(encoded["input_ids"], np.int64),
        np.asarray(encoded["attention_mask"], np.int64),
        np.asarray(own, np.int64),
    )


def _clip(tokenizer: "PreTrainedTokenizerBase", text: str, max_tokens: int) -> str:
    """Return the end of an utterance too long to fit beside any context, cut between words where it has some."""
    budget = max_tokens - tokenizer.num_special_tokens_to_add(pair=True) - 1  # a token of context must be left
    while (count := len(tokenizer(text, add_special_tokens=False)["input_ids"])) > budget:
        kept = text[-max(1, len(text) * budget // count) :]
        _, blank, rest = kept.partition(" ")
        text = rest if blank and rest else kept[len(kept) == len(text) :]
    return text


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
