"""What the paper's tables are trained and scored on: the features of three splits, and what they lack."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.data.names import ConversationCorpus
from trainer.data.registry import load_conversations
from trainer.dialogs.features import MODALITIES, DialogFeatures, Modality
from trainer.features.extract import FeatureSettings, extract_features
from trainer.features.extractors import Extractors

Split = Sequence[DialogFeatures]


@dataclass(frozen=True, eq=False)
class TableData:
    """The features of a corpus.

    Attributes:
        train: what is learned from.
        dev: what checkpoints and temperatures are chosen on.
        judged: what the scores are of.
        labels: the corpus's.
    """

    train: Split
    dev: Split
    judged: Split
    labels: tuple[str, ...]

    @property
    def splits(self) -> tuple[Split, Split, Split]:
        """Return the three splits."""
        return self.train, self.dev, self.judged

    def lacks(self, modalities: Sequence[Modality]) -> tuple[Modality, ...]:
        """Return which of these modalities no utterance of the training or of the judged split has."""
        return tuple(name for name in modalities if not all(_has(split, name) for split in (self.train, self.judged)))

    def only(self, modalities: Sequence[Modality]) -> "TableData":
        """Return the data with every other modality absent."""
        train, dev, judged = ([dialog.only(modalities) for dialog in split] for split in self.splits)
        return TableData(train, dev, judged, self.labels)

    def digest(self) -> str:
        """Return a hash of everything a network could learn from these data."""
        found = hashlib.sha256(repr(self.labels).encode())
        for split in self.splits:
            found.update(f"split of {len(split)}".encode())
            for dialog in split:
                _add(found, dialog)
        return found.hexdigest()


def _has(split: Split, name: Modality) -> bool:
    return any(embedding is not None for dialog in split for embedding in getattr(dialog, name))


def _add(found: "hashlib._Hash", dialog: DialogFeatures) -> None:
    found.update(repr(list(dialog.labels)).encode())
    for name in MODALITIES:
        for embedding in getattr(dialog, name):
            found.update(b"absent" if embedding is None else embedding.tobytes())


def load_table_data(
    extractors: Extractors,
    corpus: ConversationCorpus,
    root: Path,
    judged: str,
    cache: Path,
    settings: FeatureSettings = FeatureSettings(),
) -> TableData:
    """Return the features of a corpus's train and dev splits, and of the one to be scored.

    Raises:
        AbsentError: a split is missing.
        DatasetError: it is not as it should be.
        FileError: the cache can't be written.
    """
    found = {split: load_conversations(corpus, root, split, media=True) for split in ("train", "dev", judged)}
    features = {name: extract_features(split, extractors, cache, settings).dialogs for name, split in found.items()}
    return TableData(features["train"], features["dev"], features[judged], found[judged].labels)
