"""The text stage: a Hugging Face encoder fine-tuned on the utterances of dialogs in their context."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from models.labels import LABELS
from models.networks.text import TextEncoder, as_tensors, mean_of_own_tokens
from models.text_input import MAX_TOKENS, ContextFormat, TextPair, TokenBatch, Tokenizer, tokenize, with_context
from models.user_error import UserError
from trainer.data.conversation import Dialog
from trainer.fit.batching import alike
from trainer.fit.devices import device_of, half_precision, to_device
from trainer.fit.loop import FitSettings
from trainer.fit.metrics import Metrics, accuracy, macro_f1, weighted_f1
from trainer.fit.outputs import BranchOutput
from trainer.stages.frozen import encoder_layers, lower_states, split_encoder
from trainer.stages.packaged import packaged_minilm, packaged_mpnet

_EVAL_BATCH: Final = 64
PACKAGED_MPNET: Final = "packaged-mpnet"


class EncoderError(UserError):
    """A pretrained text encoder can't be had; the message says what to do."""


@dataclass(frozen=True)
class TextSettings:
    """Hyper-parameters of the text stage."""

    fit: FitSettings = FitSettings(epochs=4, select="weighted_f1", ema_decay=0.99)
    encoder: str | None = None
    """Folder or hub id; ``packaged-mpnet``: MPNet from its five packages; none: the installed MiniLM package."""
    context: ContextFormat = ContextFormat()
    frozen_layers: int = 0
    """How many lower layers, the embeddings with them, stay as they are; they are run once, not every epoch."""
    batch: int = 16
    rate: float = 5e-5
    head_rate: float = 1e-3
    layer_decay: float = 1.0
    """Each layer's rate is that of the one above it times this."""
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05


@dataclass(frozen=True)
class TextExample:
    """One utterance with its context, and the index of its emotion."""

    pair: TextPair
    label: int


@dataclass(frozen=True)
class _Row:
    """One example as the trained part of the encoder takes it; ``states`` where lower layers are frozen."""

    tokens: TokenBatch
    states: Tensor | None
    label: int

    @property
    def length(self) -> int:
        return int(self.tokens.input_ids.shape[1])


class UpperTextEncoder(nn.Module):
    """The trained part of a :class:`TextEncoder` whose lower layers are frozen.

    Shape:
        ``states``: ``(batch, tokens, width)``, what the frozen layers end in; the rest as ``TextEncoder``.
    """

    def __init__(self, whole: TextEncoder, upper: PreTrainedModel) -> None:
        super().__init__()
        self.encoder, self.dropout, self.head = upper, whole.dropout, whole.head

    def forward(self, states: Tensor, attention_mask: Tensor, utterance_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(embedding, logits)``."""
        hidden = self.encoder(inputs_embeds=states, attention_mask=attention_mask).last_hidden_state
        embedding = mean_of_own_tokens(hidden, utterance_mask)
        return embedding, self.head(self.dropout(embedding))


def load_encoder(name: str | None, cache: Path, classes: int = len(LABELS)) -> tuple[TextEncoder, Tokenizer]:
    """Return an untrained :class:`TextEncoder` over pretrained weights, and its tokenizer.

    Args:
        name: as :class:`TextSettings` has it.
        cache: a folder, for weights that come in several packages.
        classes: number of emotions.

    Raises:
        DatasetError: a package is missing.
        EncoderError: there is no such encoder, neither here nor at the hub.
    """
    source = str(packaged_mpnet(cache)) if name == PACKAGED_MPNET else name or str(packaged_minilm())
    try:
        tokenizer = _tokenizer(AutoTokenizer.from_pretrained(source))
        encoder = AutoModel.from_pretrained(source)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        message = f"the text encoder {source} can't be loaded ({reason}): name a folder or a hub id in text.encoder"
        raise EncoderError(message) from error
    return TextEncoder(encoder, classes), tokenizer


def _tokenizer(found: PreTrainedTokenizerBase) -> Tokenizer:
    """Return a Hugging Face tokenizer as ours.

    Raises:
        ValueError: it is one of the slow kind, without a ``tokenizer.json``.
    """
    if not isinstance(found, PreTrainedTokenizerFast):
        message = "it has no tokenizer.json"
        raise ValueError(message)  # noqa: TRY004 - said of the folder, as what else may be wrong with one
    return Tokenizer(found.backend_tokenizer, str(found.sep_token), str(found.pad_token))


def examples(dialogs: Sequence[Dialog], layout: ContextFormat, separator: str) -> list[TextExample]:
    """Return every utterance of the dialogs, in order, with its context."""
    return [
        TextExample(with_context([item.turn for item in dialog], index, layout, separator), utterance.label)
        for dialog in dialogs
        for index, utterance in enumerate(dialog)
    ]


class TextStage:
    """Cross-entropy over the utterances.

    Args:
        train: what is learned from.
        dev: what checkpoints are chosen on.
        settings: with ``frozen_layers``, only what lies above is trained, on states kept in ``cache``.
        cache: a folder, needed with frozen layers.
        classes: number of emotions.
    """

    name = "text"

    def __init__(
        self,
        train: Sequence[Dialog],
        dev: Sequence[Dialog],
        settings: TextSettings,
        cache: Path,
        classes: int = len(LABELS),
    ) -> None:
        torch.manual_seed(settings.fit.seed)
        self.encoder, self.tokenizer = load_encoder(settings.encoder, cache, classes)
        self.settings, self.cache = settings, cache
        separator = self.tokenizer.separator
        self.train = examples(train, settings.context, separator)
        self.dev = examples(dev, settings.context, separator)
        self.model: nn.Module = self.encoder
        self._lower: PreTrainedModel | None = None
        if settings.frozen_layers:
            self._lower, upper = split_encoder(self.encoder.encoder, settings.frozen_layers)
            self.model = UpperTextEncoder(self.encoder, upper)

    @cached_property
    def _train_rows(self) -> list[_Row]:
        return self._rows(self.train)

    @cached_property
    def _dev_rows(self) -> list[_Row]:
        return self._rows(self.dev)

    def _rows(self, found: Sequence[TextExample]) -> list[_Row]:
        tokens = [tokenize(self.tokenizer, [example.pair]) for example in found]
        states: Sequence[Tensor | None] = [None] * len(tokens)
        if self._lower is not None:
            states = lower_states(self._lower, tokens, self.cache)
        return [_Row(*row) for row in zip(tokens, states, (example.label for example in found), strict=True)]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the layers, each lower one at a lower rate, and at a higher rate the head."""
        settings = self.settings
        layers = list(encoder_layers(self.encoder.encoder)) if settings.layer_decay < 1 else []
        grouped = {id(parameter) for layer in layers for parameter in layer.parameters()}
        rest = [p for p in self.encoder.encoder.parameters() if id(p) not in grouped]
        rates = [settings.rate * settings.layer_decay**depth for depth in range(len(layers), -1, -1)]
        parts = [(rest, rates[0])]
        parts += [(list(layer.parameters()), rate) for layer, rate in zip(layers, rates[1:], strict=True)]
        parts.append((list(self.encoder.head.parameters()), settings.head_rate))
        groups = [([p for p in found if p.requires_grad], rate) for found, rate in parts]
        return [{"params": found, "lr": rate, "weight_decay": settings.weight_decay} for found, rate in groups if found]

    def steps(self) -> int:
        """Return the whole batches of one pass over the utterances."""
        return len(self.train) // self.settings.batch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[list[_Row]]:
        """Yield batches of utterances of about the same length, in random order."""
        del epoch
        size, rows = self.settings.batch, self._train_rows
        order = generator.permutation(len(rows))[: self.steps() * size]
        yield from alike([rows[row] for row in order], lambda row: row.length, size, generator)

    def _forward(self, model: nn.Module, batch: Sequence[_Row]) -> tuple[Tensor, Tensor]:
        if self._lower is None:
            ids = _padded(batch, "input_ids", self.tokenizer.padding_id)
        else:
            ids = pad_sequence([row.states for row in batch if row.states is not None], batch_first=True).float()
        inputs = (ids, _padded(batch, "attention_mask"), _padded(batch, "utterance_mask"))
        outputs: tuple[Tensor, Tensor] = model(*to_device(inputs, device_of(model)))
        return outputs

    def loss(self, batch: list[_Row]) -> Tensor:
        """Return label-smoothed cross-entropy."""
        _, logits = self._forward(self.model, batch)
        labels = torch.tensor([row.label for row in batch], device=logits.device)
        return functional.cross_entropy(logits.float(), labels, label_smoothing=self.settings.label_smoothing)

    @torch.inference_mode()
    def _outputs(self, model: nn.Module, rows: Sequence[_Row]) -> BranchOutput:
        model.eval()
        order = sorted(range(len(rows)), key=lambda row: rows[row].length)
        outputs = []
        for start in range(0, len(order), _EVAL_BATCH):
            with half_precision(enabled=self.settings.fit.bf16, device=device_of(model)):
                outputs.append(self._forward(model, [rows[row] for row in order[start : start + _EVAL_BATCH]]))
        return BranchOutput.gather(outputs).scattered(order)

    def train_output(self) -> BranchOutput:
        """Return what the model says of the training utterances, in their order."""
        return self._outputs(self.model, self._train_rows)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return weighted F1, macro F1 and accuracy on dev."""
        predicted = self._outputs(model, self._dev_rows).logits.argmax(axis=1)
        truth = np.array([example.label for example in self.dev], np.int64)
        return {
            "weighted_f1": weighted_f1(truth, predicted),
            "macro_f1": macro_f1(truth, predicted),
            "accuracy": accuracy(truth, predicted),
        }


def _padded(batch: Sequence[_Row], name: str, value: int = 0) -> Tensor:
    arrays = [torch.from_numpy(getattr(row.tokens, name)[0]) for row in batch]
    return pad_sequence(arrays, batch_first=True, padding_value=value)


@torch.inference_mode()
def text_outputs(
    model: nn.Module,
    tokenizer: Tokenizer,
    rows: Sequence[TextExample],
    max_tokens: int = MAX_TOKENS,
    progress: str | None = None,
) -> BranchOutput:
    """Return the embeddings and logits of the utterances, in their order; ``progress`` is what its bar says, if any."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda row: _length(rows[row]))
    outputs = []
    for start in tqdm(range(0, len(order), _EVAL_BATCH), desc=progress, disable=progress is None):
        pairs = [rows[row].pair for row in order[start : start + _EVAL_BATCH]]
        tokens = as_tensors(tokenize(tokenizer, pairs, max_tokens))
        outputs.append(model(*to_device(tokens, device_of(model))))
    return BranchOutput.gather(outputs).scattered(order)


def _length(example: TextExample) -> int:
    return len(example.pair.context) + len(example.pair.utterance)
