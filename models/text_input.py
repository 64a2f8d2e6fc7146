"""What the text branch reads: an utterance in the context of its neighbours, as tokens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import tokenizers

Ints = npt.NDArray[np.int64]

MAX_TOKENS: Final = 128
_VOCABULARY: Final = "tokenizer.json"
_SETTINGS: Final = "tokenizer_config.json"


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

    input_ids: Ints
    attention_mask: Ints
    utterance_mask: Ints


def format_turn(turn: Turn, names: bool) -> str:
    """Return ``Name: text``, or the text alone where names are off or unknown."""
    return f"{turn.speaker}: {turn.text}" if names and turn.speaker else turn.text


def with_context(turns: Sequence[Turn], index: int, layout: ContextFormat, separator: str) -> TextPair:
    """Return the utterance at ``index`` with the turns around it, joined by the tokenizer's separator."""
    past = turns[max(0, index - layout.past) : index]
    future = turns[index + 1 : index + 1 + layout.future]
    context = [format_turn(turn, layout.speaker_names) for turn in (*past, *future)]
    return TextPair(f" {separator} ".join(context), format_turn(turns[index], layout.speaker_names))


class Tokenizer:
    """An encoder's tokenizer, as a Hugging Face folder keeps it; any thread may use it.

    Args:
        model: cuts texts into tokens; it is neither to cut rows off nor to pad them, which is done here.
        separator: the token between two segments.
        padding: the token that fills up rows.
    """

    def __init__(self, model: tokenizers.Tokenizer, separator: str, padding: str) -> None:
        model.no_truncation()
        model.no_padding()
        self.model, self.separator, self.padding = model, separator, padding

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the tokenizer of a folder.

        Raises:
            OSError: a file is missing.
            ValueError: a file is damaged, or names no separator and padding.
        """
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        vocabulary = (folder / _VOCABULARY).read_text(encoding="utf-8")
        try:
            model = tokenizers.Tokenizer.from_str(vocabulary)
            return cls(model, _content(settings["sep_token"]), _content(settings["pad_token"]))
        except Exception as error:  # tokenizers raises nothing narrower
            message = f"{_VOCABULARY} and {_SETTINGS} are no tokenizer's: {error}"
            raise ValueError(message) from error

    def save(self, folder: Path) -> None:
        """Write it into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        self.model.save(str(folder / _VOCABULARY))
        settings = {"sep_token": self.separator, "pad_token": self.padding}
        (folder / _SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @property
    def size(self) -> int:
        """Return how many tokens there are."""
        return int(self.model.get_vocab_size())

    @property
    def padding_id(self) -> int:
        """Return the number of the padding token."""
        return int(self.model.token_to_id(self.padding) or 0)

    def count(self, text: str) -> int:
        """Return how many tokens a text has by itself."""
        return len(self._cut(text))

    def rows(self, pair: TextPair, max_tokens: int) -> tuple[list[int], list[bool]]:
        """Return a pair's tokens, the oldest of the context cut off, and which of them are the utterance's own."""
        utterance, context = self._cut(self._clip(pair.utterance, max_tokens)), self._cut(pair.context)
        context.truncate(max_tokens - self._marks - len(utterance), direction="left")
        joined = self.model.post_process(context, utterance)
        return joined.ids, [part == 1 for part in joined.sequence_ids]

    @property
    def _marks(self) -> int:
        return int(self.model.num_special_tokens_to_add(is_pair=True))

    def _cut(self, text: str) -> tokenizers.Encoding:
        return self.model.encode(text, add_special_tokens=False)

    def _clip(self, text: str, max_tokens: int) -> str:
        """Return the end of an utterance too long to fit beside any context, cut between words where it has some."""
        budget = max_tokens - self._marks - 1  # a token of context must be left
        while (count := self.count(text)) > budget:
            kept = text[-max(1, len(text) * budget // count) :]
            _, blank, rest = kept.partition(" ")
            text = rest if blank and rest else kept[len(kept) == len(text) :]
        return text


def tokenize(tokenizer: Tokenizer, pairs: Sequence[TextPair], max_tokens: int = MAX_TOKENS) -> TokenBatch:
    """Return the padded tokens of ``(context, utterance)`` pairs, the oldest context cut first."""
    rows = [tokenizer.rows(pair, max_tokens) for pair in pairs]
    shape = len(rows), max(len(ids) for ids, _ in rows)
    ids, attention, own = (np.full(shape, fill, np.int64) for fill in (tokenizer.padding_id, 0, 0))
    for place, (tokens, marked) in enumerate(rows):
        ids[place, : len(tokens)], attention[place, : len(tokens)], own[place, : len(tokens)] = tokens, 1, marked
    return TokenBatch(ids, attention, own)


def _content(token: Any) -> str:  # noqa: ANN401 - as the file has it
    return str(token["content"] if isinstance(token, dict) else token)
