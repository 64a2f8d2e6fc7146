"""What a training reads, each part when it is first asked for, and which modalities that makes."""

import logging
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from trainer.config import TrainConfig
from trainer.data.conversation import Conversations, DatasetError
from trainer.data.faces import FaceSet, joined
from trainer.data.people import Person, people_of
from trainer.data.registry import load_clips, load_conversations, load_faces
from trainer.data.speech import SpeechClip
from trainer.dialogs.features import MODALITIES, Modality
from trainer.features.conversation_media import conversation_scenes, conversation_sounds
from trainer.features.media import Part, media_file
from trainer.fit.devices import main_first
from trainer.stages.audio import Sounds
from trainer.stages.image import Labelled
from trainer.stages.scene import Scenes

Split = Literal["train", "dev"]

_PARTS: Final[dict[Modality, Part]] = {"audio": "sound", "face": "images", "scene": "images"}
_log: Final = logging.getLogger(__name__)


class Corpora:
    """The data of one configuration.

    Args:
        config: which.
        cache: a folder; what was decoded before is read from it.

    Raises:
        DatasetError: from any property, when a corpus is missing or not as it should be.
    """

    def __init__(self, config: TrainConfig, cache: Path) -> None:
        self.config, self.cache = config, cache
        self.absent: dict[Modality, str] = {}

    @property
    def drawn(self) -> bool:
        """Return whether the utterances' voices and faces are not their own."""
        return self.config.dataset.media == "drawn"

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the emotions."""
        return self.train.labels

    @cached_property
    def train(self) -> Conversations:
        """Return what is learned from."""
        return self._conversations(self.config.dataset.train)

    @cached_property
    def dev(self) -> Conversations:
        """Return what everything is chosen on; its labels must be those of the training data."""
        found = self._conversations(self.config.dataset.dev)
        if found.labels != self.train.labels:
            message = f"dev has the labels {', '.join(found.labels)}, train has {', '.join(self.train.labels)}"
            raise DatasetError(message)
        return found

    def _conversations(self, split: str) -> Conversations:
        section = self.config.dataset
        media = not self.drawn and set(self.config.output.modalities) != {"text"}
        found = load_conversations(section.kind, section.folder(), split, media=media)
        for what, entries in (("left out", found.skipped), ("kept, but odd or without media", found.noted)):
            if entries:
                message = "%s %s: %d utterances %s; `m2fnet train data` lists them"
                _log.info(message, section.kind, split, len(entries), what)
        return found

    @cached_property
    def sounds_train(self) -> Sounds:
        """Return the voices that are learned from."""
        return self._sounds("train")

    @cached_property
    def sounds_dev(self) -> Sounds:
        """Return the voices that the audio extractor is chosen on."""
        return self._sounds("dev")

    def _sounds(self, split: Split) -> Sounds:
        section = self.config.speech
        if not section.datasets:
            conversations = self.train if split == "train" else self.dev
            with main_first():
                return conversation_sounds(conversations, self.cache, self.config.features)
        corpora = [load_clips(name, section.folder(), split) for name in section.datasets]
        classes = {corpus.classes for corpus in corpora}
        if len(classes) > 1:
            message = f"speech.datasets={','.join(section.datasets)}: they have different labels, and can't be joined"
            raise DatasetError(message)
        with main_first():
            clips = [clip for corpus in corpora for clip in corpus]
            return Sounds.decode(clips, self.cache, classes.pop())

    def clips_dev(self, corpus: str) -> tuple[SpeechClip, ...]:
        """Return the dev clips of one of ``speech.datasets``, in the order in which ``sounds_dev`` has them."""
        return load_clips(corpus, self.config.speech.folder(), "dev").clips

    def people_dev(self) -> list[Person]:
        """Return who speaks in each of ``sounds_dev``, where they are of ``speech.datasets``.

        Raises:
            DatasetError: a table of speakers can't be read.
        """
        section = self.config.speech
        return [
            person for name in section.datasets for person in people_of(name, section.folder(), self.clips_dev(name))
        ]

    @cached_property
    def faces_train(self) -> FaceSet:
        """Return the faces that are learned from."""
        return self._faces(self.config.faces.train)

    @cached_property
    def faces_dev(self) -> FaceSet:
        """Return the faces that the visual extractor is chosen on."""
        return self._faces(self.config.faces.dev)

    def _faces(self, split: str) -> FaceSet:
        section = self.config.faces
        return joined({name: load_faces(name, section.folder(), split) for name in section.datasets})

    @cached_property
    def scenes_train(self) -> Scenes:
        """Return the whole images that are learned from."""
        return self._scenes(self.train)

    @cached_property
    def scenes_dev(self) -> Scenes:
        """Return the whole images that the scene extractor is chosen on."""
        return self._scenes(self.dev)

    def _scenes(self, conversations: Conversations) -> Scenes:
        with main_first():
            return conversation_scenes(conversations, self.config.scene.frames, self.cache, self.config.features)

    def examples(self, name: Modality) -> tuple[Labelled, Labelled]:
        """Return what a branch other than the text's is learned from and chosen on."""
        if name == "audio":
            return self.sounds_train, self.sounds_dev
        return (self.faces_train, self.faces_dev) if name == "face" else (self.scenes_train, self.scenes_dev)

    @cached_property
    def modalities(self) -> tuple[Modality, ...]:
        """Return what the features have, in one order; why others are absent is in ``absent``."""
        wanted = [name for name in MODALITIES if name in self.config.output.modalities]
        for name in wanted:
            if name != "text" and (why := self._why_absent(name)):
                self.absent[name] = why
                _log.warning("%s is absent: %s", name, why)
        return tuple(name for name in wanted if name not in self.absent)

    def _why_absent(self, name: Modality) -> str | None:
        for conversations in () if self.drawn else (self.train, self.dev):
            clips = (utterance.clip for utterance in conversations.utterances)
            if not any(clip is not None and media_file(clip, _PARTS[name]) for clip in clips):
                return f"no utterance of {conversations.split} has {_PARTS[name]}"
        if name == "face" and self.config.faces.root is None and not self.drawn:
            try:
                _ = self.faces_train, self.faces_dev
            except DatasetError as error:
                return str(error)
        return None
