"""The whole of a training in one place: typed, validated, unknown keys refused, saved beside what came of it.

A YAML file (``--config``) and ``--set section.key=value`` words change the defaults, ``--set fusion.fit.epochs=3``
those of a section's section. ``configs/`` has the paper's trainings and the live ones.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, PositiveInt, field_validator, model_validator

from models.bundle import MAX_FILE_BYTES
from models.files.config_file import Section, load_config
from models.files.whole_file import write_whole
from models.networks.weights import Precision
from trainer.data.names import SPOKEN, ClipCorpus, ConversationCorpus, FaceCorpus
from trainer.dialogs.features import Modality
from trainer.dialogs.pairing import PairingSettings
from trainer.features.extract import FeatureSettings
from trainer.stages.audio import AudioSettings
from trainer.stages.face import VisualSettings
from trainer.stages.fusion import FusionSettings
from trainer.stages.scene import SceneSettings
from trainer.stages.text import TextSettings

DATA_VARIABLE: Final = "M2FNET_DATA"
LEARNED: Final = ("text", "audio", "visual", "scene", "fusion")
"""The sections of what is trained; each has a section ``fit``."""


def _split(value: object) -> object:
    """Return the names of ``one,two`` words."""
    if value is None:
        return ()
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class DatasetSection(Section):
    """The labelled conversations.

    Attributes:
        kind: how they are laid out (docs/datasets.md).
        root: their folder; none: the one of that name in the folder that M2FNET_DATA names.
        train: what is learned from: a split, or with ``csv`` also a path.
        dev: what everything is chosen on.
        media: the utterances' own, or voices and faces drawn for them by label from ``speech`` and ``faces``.
    """

    kind: ConversationCorpus = "meld"
    root: Path | None = None
    train: str = "train"
    dev: str = "dev"
    media: Literal["recorded", "drawn"] = "recorded"

    def folder(self) -> Path:
        """Return where the conversations are."""
        return self.root or data_folder() / self.kind


class SpeechSection(Section):
    """What the audio extractor learns from.

    Attributes:
        datasets: corpora of single clips; none: the conversations' own sound.
        root: the folder that holds one folder for each; none: the one M2FNET_DATA names.
    """

    datasets: Annotated[tuple[ClipCorpus, ...], BeforeValidator(_split)] = ()
    root: Path | None = None

    def folder(self) -> Path:
        """Return the folder of the corpora."""
        return self.root or data_folder()


class FacesSection(Section):
    """What the visual extractor learns from.

    Attributes:
        datasets: FER2013's expressions, press photographs, or one folder for each expression or identity (as
            CASIA-WebFace); several are learned together.
        root: the folder that holds each under its name, of one also its own; none: the one M2FNET_DATA names.
        train: a split, or the path of a file or folder.
        dev: likewise.
    """

    datasets: Annotated[tuple[FaceCorpus, ...], BeforeValidator(_split), Field(min_length=1)] = ("fer2013",)
    root: Path | None = None
    train: str = "train"
    dev: str = "dev"

    def folder(self) -> Path:
        """Return where the faces are."""
        return self.root or data_folder()


class SpeakerSection(Section):
    """What tells speakers apart by their voices, which is not trained but taken as it is.

    Attributes:
        pretrained: the package Resemblyzer 0.1.4 as ``pip download`` writes it; none: the bundle tells no speakers.
    """

    pretrained: Path | None = None


class OutputSection(Section):
    """The bundle.

    Attributes:
        name: what it calls itself.
        modalities: what it is to know of an utterance, its words among them; what there are no data for is left out.
        sure_precision: how often an emotion is right, of those on dev, that is not told as uncertain: what is less
            probable than that takes is, for each set of modalities. 0: nothing is uncertain.
        precision: of the stored matrices; int8 halves the files once more.
        max_file_bytes: no file may be larger; weights are cut into as many as that takes.
    """

    name: Annotated[str, Field(min_length=1)] = "m2fnet"
    modalities: Annotated[tuple[Modality, ...], BeforeValidator(_split)] = ("text", "audio", "face")
    sure_precision: Annotated[float, Field(ge=0, le=1)] = 0.7
    precision: Precision = "float16"
    max_file_bytes: PositiveInt = MAX_FILE_BYTES

    @field_validator("modalities")
    @classmethod
    def _with_text(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        if "text" not in modalities:
            message = "output.modalities: every bundle has text; what text alone or others reach is `m2fnet evaluate`'s"
            raise ValueError(message)
        return modalities


class TrainConfig(Section):
    """Everything ``m2fnet train`` can be told of a training on conversations."""

    dataset: DatasetSection = DatasetSection()
    speech: SpeechSection = SpeechSection()
    faces: FacesSection = FacesSection()
    text: TextSettings = Field(default_factory=TextSettings)
    audio: AudioSettings = Field(default_factory=AudioSettings)
    visual: VisualSettings = Field(default_factory=VisualSettings)
    scene: SceneSettings = Field(default_factory=SceneSettings)
    features: FeatureSettings = Field(default_factory=FeatureSettings)
    fusion: FusionSettings = Field(default_factory=FusionSettings)
    pairing: PairingSettings = Field(default_factory=PairingSettings)
    speaker: SpeakerSection = SpeakerSection()
    output: OutputSection = OutputSection()

    @model_validator(mode="after")
    def _drawn_of_something(self) -> Self:
        if self.dataset.media == "drawn":
            if set(self.output.modalities) != {"text", "audio", "face"}:
                message = "output.modalities: dialogs with drawn media have text, audio and face"
                raise ValueError(message)
            if SPOKEN not in self.speech.datasets:
                message = f"speech.datasets: drawn media are judged on {SPOKEN}, which must be among them"
                raise ValueError(message)
        return self

    def with_seed(self, seed: int) -> "TrainConfig":
        """Return the configuration with the seed of everything that is trained changed."""
        sections = {name: getattr(self, name) for name in LEARNED}
        return self.model_copy(
            update={name: replace(section, fit=replace(section.fit, seed=seed)) for name, section in sections.items()}
        )

    def section(self, name: str) -> dict[str, Any]:
        """Return a section as JSON has it."""
        values: dict[str, Any] = self.model_dump(mode="json", include={name})[name]
        return values


def data_folder() -> Path:
    """Return the folder of all data: the one M2FNET_DATA names, or ``data``."""
    return Path(os.environ.get(DATA_VARIABLE) or "data")


def load_train_config(file: Path | None = None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the defaults, changed by a YAML file, changed by ``section.key=value`` words.

    Raises:
        ConfigError: the file can't be read, or a key or value isn't allowed.
    """
    return load_config(TrainConfig, file, overrides, TrainConfig().model_dump(mode="json"))


def shipped_config(name: str) -> Path:
    """Return the file of a configuration that comes with the program, such as ``meld``."""
    return Path(str(files("configs") / f"{name}.yaml"))


def starter_config(data: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Return the starter's configuration on the corpora of one folder, changed by ``section.key=value`` words.

    Raises:
        ConfigError: a key or value isn't allowed.
    """
    roots = [f"dataset.root={data / 'meld'}", f"speech.root={data}", f"faces.root={data}"]
    return load_train_config(shipped_config("starter"), [*roots, *overrides])


def save_train_config(config: TrainConfig, path: Path) -> None:
    """Write a configuration whole, so that ``load_train_config`` gives the same again.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    write_whole(path, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
