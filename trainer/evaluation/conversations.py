"""A bundle on labelled conversations: the fusion on any modalities at each point in time, and the branches alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from models.bundle import Bundle
from trainer.data.conversation import Conversations
from trainer.dialogs.features import MODALITIES, Modality
from trainer.evaluation.modalities import of_utterances, shown
from trainer.evaluation.report import NamedScores, RowName
from trainer.evaluation.scores import score
from trainer.evaluation.views import VIEW_NAMES, HeardDialog, View, view_logits
from trainer.features.extract import BranchRows, Extraction, FeatureSettings, extract_features
from trainer.features.extractors import Extractors
from trainer.features.media import MediaFault
from trainer.fit.metrics import Ints

Words = Literal["gold", "recognised"]

BRANCH_NAMES: Final[dict[Modality, str]] = {
    "text": "text branch",
    "audio": "audio branch",
    "face": "face branch",
    "scene": "scene branch",
}


@dataclass(frozen=True, eq=False)
class ReadConversations:
    """Conversations as one bundle's branches have read, heard and seen them.

    Attributes:
        dialogs: the features of each dialog as it grows.
        readings: what the text branch said with 0, 1, … later turns known; none where there is no text.
        branches: what the other branches said.
        labels: ``(utterances,)``.
        words: whose transcript was read.
        faults: media that could not be used.
    """

    dialogs: Sequence[HeardDialog]
    readings: Sequence[BranchRows]
    branches: dict[Modality, BranchRows]
    labels: Ints
    words: Words
    faults: Sequence[MediaFault]

    @property
    def present(self) -> tuple[Modality, ...]:
        """Return the modalities that at least one utterance has."""
        return tuple(name for name in MODALITIES if name in self.branches or (name == "text" and self.readings))


def read_conversations(
    bundle: Bundle,
    conversations: Conversations,
    cache: Path,
    modalities: Collection[Modality] = MODALITIES,
    words: Words = "gold",
    settings: FeatureSettings = FeatureSettings(),
) -> ReadConversations:
    """Run the branches on conversations; what is in the cache is not run again.

    Args:
        bundle: its labels are those of the conversations.
        conversations: without clips there is only text.
        cache: a folder.
        modalities: the others are absent.
        words: whose transcript the conversations hold.
        settings: what of the media is used.

    Raises:
        FileError: the disk is full or the cache can't be written.
    """
    extractors = Extractors.of(bundle)
    recorded = any(item.clip is not None for item in conversations.utterances)
    media = [name for name in modalities if name != "text" and recorded]
    rest = extract_features(conversations, extractors, cache, settings, media)
    texts = _readings(conversations, extractors, cache, settings) if "text" in modalities else []
    spoken = [text for text in texts if "text" in text.branches]
    heard = [
        HeardDialog.of(dialog, [text.dialogs[place].text for text in spoken])
        for place, dialog in enumerate(rest.dialogs)
    ]
    readings = [text.branches["text"] for text in spoken]
    return ReadConversations(heard, readings, dict(rest.branches), rest.labels, words, rest.faults)


def _readings(
    conversations: Conversations, extractors: Extractors, cache: Path, settings: FeatureSettings
) -> list[Extraction]:
    """Return the text features with 0, 1, … later turns known, as many as the encoder takes."""
    layout = extractors.context
    return [
        extract_features(
            conversations, replace(extractors, context=replace(layout, future=later)), cache, settings, ["text"]
        )
        for later in range(layout.future + 1)
    ]


def fused_row(bundle: Bundle, read: ReadConversations, modalities: Sequence[Modality], view: View) -> NamedScores:
    """Return the scores of the fusion on these modalities."""
    dialogs = [dialog.only(modalities) for dialog in read.dialogs]
    logits = view_logits(bundle.fusion, dialogs, bundle.config.fusion, view)
    config, features = bundle.config, [dialog.features for dialog in dialogs]
    temperatures, thresholds = (of_utterances(of, features) for of in (config.temperatures, config.thresholds))
    name = RowName(
        network="fusion",
        modalities=shown(modalities),
        view=VIEW_NAMES[view],
        words=read.words if "text" in modalities else "",
    )
    return NamedScores(name=name, scores=score(read.labels, logits, config.labels, temperatures, thresholds))


def branch_rows(bundle: Bundle, read: ReadConversations, modalities: Collection[Modality]) -> list[NamedScores]:
    """Return the scores of each branch alone on the utterances it has something of."""
    rows = text_rows(bundle, read) if "text" in modalities else []
    found = [(name, branch) for name, branch in read.branches.items() if name in modalities]
    return rows + [_branch_row(bundle, read, name, branch) for name, branch in found]


def text_rows(bundle: Bundle, read: ReadConversations) -> list[NamedScores]:
    """Return the scores of the text branch alone, at each point in time that makes a difference to it."""
    if not read.readings:
        return []
    views: dict[View, BranchRows] = {"moment": read.readings[0]}
    if len(read.readings) > 1:
        views["full"] = read.readings[-1]
    return [_branch_row(bundle, read, "text", branch, view) for view, branch in views.items()]


def _branch_row(
    bundle: Bundle, read: ReadConversations, name: Modality, branch: BranchRows, view: View | None = None
) -> NamedScores:
    temperature = getattr(bundle.config.temperatures, name)
    title = RowName(
        network=BRANCH_NAMES[name],
        modalities=name,
        view=VIEW_NAMES[view] if view else "",
        words=read.words if name == "text" else "",
    )
    scores = score(read.labels[branch.rows], branch.output.logits, bundle.config.labels, temperature)
    return NamedScores(name=title, scores=scores)
