"""What a trained bundle is: a folder with everything inference needs, checked whole before it is used; no weights yet.

::

    config.json            BundleConfig: labels, context format, dimensions, calibration, SHA-256 of the rest
    text.safetensors       the weights of each network (:mod:`models.networks.weights`), where large in several files
    audio.safetensors      … face, scene, fusion and speaker likewise; a bundle may lack all but text and fusion
    encoder/               the text encoder's configuration and its tokenizer, no weights
    MODEL_CARD.md
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from models.branches import EMBEDDING_DIM, SPEAKER_DIM, Backbone
from models.dialog_window import FusionConfig
from models.media.face_image import INPUT_SIZE, MIN_SIZE
from models.media.spectrogram import AudioKind
from models.text_input import MAX_TOKENS, ContextFormat
from models.user_error import UserError
from wire.events import MODALITIES, Modality
from wire.strict import Strict, problems_of

FORMAT_VERSION: Final = 2
READABLE: Final = (1, 2)  # 2 added absent branches, other audio networks and files named by the configuration
STARTER: Final = Path(__file__).parent / "bundles" / "starter"
CONFIG: Final = "config.json"
SHOWN: Final = 3  # names listed in a message before "and n more"

NetworkName = Literal["text", "audio", "face", "scene", "fusion", "speaker"]
NETWORKS: Final[tuple[NetworkName, ...]] = get_args(NetworkName)
NEEDED: Final[tuple[NetworkName, ...]] = ("text", "fusion")
Temperature = Annotated[float, Field(gt=0)]
Confidence = Annotated[float, Field(ge=0, le=1)]


class BundleError(UserError):
    """A bundle can't be read or written; the message says what is wrong and what to do."""


class TextPart(Strict):
    """How the text branch is fed."""

    dim: PositiveInt
    context: ContextFormat = ContextFormat()
    max_tokens: PositiveInt = MAX_TOKENS
    encoder: str = "encoder"
    """The folder of the encoder's configuration and tokenizer."""


class ExtractorPart(Strict):
    """The width of a face or scene embedding."""

    dim: PositiveInt = EMBEDDING_DIM


class FacePart(ExtractorPart):
    """The face branch, its backbone, and the pixels a side of the faces it was trained on."""

    size: Annotated[int, Field(ge=MIN_SIZE)] = INPUT_SIZE
    backbone: Backbone = "resnet18"


class AudioPart(ExtractorPart):
    """The voice branch: the paper's extractor on log-mel images, or a projector on Whisper's encoder."""

    kind: AudioKind = "log-mel"
    baseline: NonNegativeInt = 0
    """How many statistics a speaker's own baseline is kept of; 0: it has not learned to tell a voice against one."""


class SpeakerPart(ExtractorPart):
    """What tells whose voice it is, and the width of its embedding; the emotions have no part in it."""

    dim: PositiveInt = SPEAKER_DIM


class _Fused(Strict):
    """A number for the fusion, which may be another for single sets of modalities, such as ``text+audio``."""

    fused: float
    fused_by: dict[str, float] = Field({})

    def for_modalities(self, present: Iterable[str]) -> float:
        """Return the number for an utterance that has these modalities: what it rests on decides how sure it is."""
        return self.fused_by.get(modality_key(present), self.fused)


class Temperatures(_Fused):
    """What logits are divided by before the softmax, those of each branch and the fusion's."""

    text: Temperature = 1.0
    audio: Temperature = 1.0
    face: Temperature = 1.0
    scene: Temperature = 1.0
    fused: Temperature = 1.0
    fused_by: dict[str, Temperature] = Field({})


class Thresholds(_Fused):
    """The least confidence with which the fusion is relied upon; what is less sure is uncertain. 0: nothing is."""

    fused: Confidence = 0.0
    fused_by: dict[str, Confidence] = Field({})


def modality_key(present: Iterable[str]) -> str:
    """Return the name of a set of modalities, such as ``text+audio``, in one order."""
    found = set(present)
    return "+".join(name for name in MODALITIES if name in found)


class BundleConfig(Strict):
    """The contents of config.json; ``files`` is filled in when the bundle is saved."""

    format_version: Literal[1, 2] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1)]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    networks: tuple[NetworkName, ...] = ("text", "audio", "face", "fusion")
    text: TextPart
    audio: AudioPart = AudioPart()
    face: FacePart = FacePart()
    scene: ExtractorPart = ExtractorPart()
    speaker: SpeakerPart = SpeakerPart()
    fusion: FusionConfig
    temperatures: Temperatures = Temperatures()
    thresholds: Thresholds = Thresholds()
    weights: dict[NetworkName, tuple[str, ...]] = Field({})
    """The files of each network's weights; of one not named, ``<network>.safetensors``."""
    files: dict[str, str] = Field({})

    @model_validator(mode="after")
    def _consistent(self) -> "BundleConfig":
        missing = set(NEEDED) - set(self.networks)
        if missing:
            message = f"the bundle lacks {listed(missing)}; both of {listed(NEEDED)} are needed"
            raise ValueError(message)
        fusion = self.fusion
        widths = {"text": self.text.dim, "audio": self.audio.dim, "face": self.face.dim, "scene": self.scene.dim}
        unlike = [name for name in self.modalities if widths[name] != getattr(fusion, f"{name}_dim")]
        if unlike or fusion.classes != len(self.labels):
            message = "the fusion's dimensions and classes don't match those of the branches and the labels"
            raise ValueError(message)
        return self

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Return the branches that the bundle has."""
        return tuple(name for name in MODALITIES if name in self.networks)

    @property
    def knows_baselines(self) -> bool:
        """Return whether the voice branch has learned to tell a voice against its speaker's own baseline."""
        return "audio" in self.networks and self.audio.kind == "whisper" and self.audio.baseline > 0

    def weight_files(self, network: NetworkName) -> tuple[str, ...]:
        """Return the names of the files that hold a network's weights."""
        return self.weights.get(network, (f"{network}.safetensors",))

    @property
    def weights_hash(self) -> str:
        """Return what tells these weights from all others: SHA-256, empty for a bundle that was never saved."""
        names = sorted(name for network in self.networks for name in self.weight_files(network) if name in self.files)
        told = "\n".join(f"{self.files[name]} {name}" for name in names)
        return hashlib.sha256(told.encode()).hexdigest() if names else ""


def find_bundle(name: str | Path | None) -> Path:
    """Return where a bundle is: ``starter`` (also for None) is the program's own, else a path."""
    return STARTER if name is None or str(name) == "starter" else Path(name)


def check_bundle(folder: Path) -> BundleConfig:
    """Return the configuration of a bundle whose files are all as they were saved; nothing is loaded.

    Raises:
        BundleError: it is missing, damaged or of another version.
    """
    config = read_config(folder)
    _check_files(folder, config)
    return config


def read_config(folder: Path) -> BundleConfig:
    """Return a bundle's configuration; its files are not looked at.

    Raises:
        BundleError: there is none, or it is damaged or of another version.
    """
    path = folder / CONFIG
    if not path.is_file():
        message = f"no bundle in {folder}: train one with `m2fnet train starter`, or name a folder that has {CONFIG}"
        raise BundleError(message)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if version not in READABLE:
            message = (
                f"{path} has format version {version}, this program reads {', '.join(map(str, READABLE))}: "
                "take the program the bundle was made with, or train the bundle again"
            )
            raise BundleError(message)
        return BundleConfig.model_validate(raw)
    except (ValidationError, ValueError) as error:
        message = f"{path} is not a bundle's configuration ({_reasons(error)}): {repair(folder)}"
        raise BundleError(message) from error


def _reasons(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{problem.field or 'config'}: {problem.why}" for problem in problems_of(error))


def _check_files(folder: Path, config: BundleConfig) -> None:
    present, hashes = set(file_names(folder)), config.files
    needed = {file for name in config.networks for file in config.weight_files(name)} | set(hashes)
    if missing := needed - present:
        message = f"{folder} lacks {listed(missing)}: {repair(folder)}"
        raise BundleError(message)
    if unknown := present - set(hashes):
        message = f"{folder} holds {listed(unknown)}, which {CONFIG} does not list: remove it, or {repair(folder)}"
        raise BundleError(message)
    if damaged := [name for name, digest in hashes.items() if sha256_of(folder / name) != digest]:
        message = f"{listed(damaged)} in {folder} differs from what was saved (SHA-256): {repair(folder)}"
        raise BundleError(message)


def file_names(folder: Path) -> Iterator[str]:
    """Yield the bundle's files but its configuration, with forward slashes; hidden ones belong to the system."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != CONFIG and not path.name.startswith("."):
            yield name


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed(names: Iterable[str]) -> str:
    """Return names as a message has them: the first few, and how many more."""
    ordered = sorted(names)
    rest = len(ordered) - SHOWN
    return ", ".join(ordered[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def repair(folder: Path) -> str:
    """Return what to do about a bundle that is damaged."""
    return f"copy the bundle again, restore it with `git checkout -- {folder}`, or train it again"
