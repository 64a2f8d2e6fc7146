"""A trained bundle: a folder with everything inference needs, checked whole before it is used.

::

    config.json            BundleConfig: labels, context format, dimensions, calibration, SHA-256 of the rest
    text.safetensors       the weights of each network (:mod:`models.networks.weights`), where large in several files
    audio.safetensors      … face, scene and fusion likewise; a bundle may lack audio, face and scene
    encoder/               the text encoder's configuration and its tokenizer, no weights
    MODEL_CARD.md

A folder may hold several bundles, each with a configuration of its own beside ``config.json`` (``small.json``) that
names its files.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator
from torch import Tensor, nn

from models.files.whole_file import FileError, require_folder, told_of, write_whole
from models.media.face_image import INPUT_SIZE, MIN_SIZE
from models.media.spectrogram import LogMelImage
from models.networks.extractor import EMBEDDING_DIM, Backbone, EmotionExtractor
from models.networks.fusion import FusionConfig, M2FNet
from models.networks.speech_encoder import VoiceExtractor, WhisperMel
from models.networks.text import MAX_TOKENS, ContextFormat, TextEncoder
from models.networks.weights import Precision, WeightError, load_sharded, pack, save_sharded
from models.user_error import UserError
from wire.events import MODALITIES, Modality
from wire.strict import Strict, problems_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FORMAT_VERSION: Final = 2
READABLE: Final = (1, 2)  # 2 added absent branches, other audio networks and files named by the configuration
STARTER: Final = Path(__file__).parent / "bundles" / "starter"
BUILT_IN: Final = {"starter": STARTER, "small": STARTER / "small.json"}
MAX_FILE_BYTES: Final = 95_000_000  # what code hosts refuse begins at 100 MB
_CONFIG: Final = "config.json"
_CARD: Final = "MODEL_CARD.md"
_ENCODER: Final = "encoder"
_HEADER_BYTES: Final = 200_000  # what names and shapes take in a file of weights, at most
_SHOWN: Final = 3  # names listed in a message before "and n more"

NetworkName = Literal["text", "audio", "face", "scene", "fusion"]
AudioKind = Literal["log-mel", "whisper"]
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
            message = f"the bundle lacks {_listed(missing)}; both of {_listed(NEEDED)} are needed"
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

    def weight_files(self, network: NetworkName) -> tuple[str, ...]:
        """Return the names of the files that hold a network's weights."""
        return self.weights.get(network, (f"{network}.safetensors",))

    @property
    def weights_hash(self) -> str:
        """Return what tells these weights from all others: SHA-256, empty for a bundle that was never saved."""
        names = sorted(name for network in self.networks for name in self.weight_files(network) if name in self.files)
        told = "\n".join(f"{self.files[name]} {name}" for name in names)
        return hashlib.sha256(told.encode()).hexdigest() if names else ""


@dataclass(frozen=True, eq=False)
class Bundle:
    """The networks of a bundle, in eval mode and float32 when loaded."""

    config: BundleConfig
    text: TextEncoder
    tokenizer: "PreTrainedTokenizerBase"
    audio: EmotionExtractor | VoiceExtractor | None
    face: EmotionExtractor | None
    fusion: M2FNet
    scene: EmotionExtractor | None = None

    def networks(self) -> dict[NetworkName, nn.Module]:
        """Return the networks there are, by name."""
        return {name: network for name in NETWORKS if (network := getattr(self, name)) is not None}

    def audio_input(self, samples: Sequence[npt.NDArray[np.float32]]) -> Tensor:
        """Return the audio network's input for equally long sounds, each ``(n,)`` at 16 kHz."""
        return sound_input(self.config.audio.kind, samples)


@cache
def audio_front(kind: AudioKind) -> nn.Module:
    """Return what turns sounds ``(batch, samples)`` at 16 kHz into the input of an audio network of this kind."""
    return (WhisperMel() if kind == "whisper" else LogMelImage()).eval()


@torch.inference_mode()
def sound_input(kind: AudioKind, samples: Sequence[npt.NDArray[np.float32]]) -> Tensor:
    """Return what an audio network of this kind takes of equally long sounds, each ``(n,)`` at 16 kHz."""
    images: Tensor = audio_front(kind)(torch.from_numpy(np.stack(samples)))
    return images


def find_bundle(name: str | Path | None) -> Path:
    """Return where a bundle is: ``starter`` (also for None) and ``small`` are the program's own, else a path."""
    return STARTER if name is None else BUILT_IN.get(str(name), Path(name))


def check_bundle(path: Path) -> BundleConfig:
    """Return the configuration of a bundle whose files are all as they were saved; nothing is loaded.

    Raises:
        BundleError: it is missing, damaged or of another version.
    """
    folder, name = _place(path)
    config = _read_config(folder, name)
    _check_files(folder, config)
    return config


def _place(path: Path) -> tuple[Path, str]:
    """Return the folder of a bundle and the name of its configuration."""
    return (path.parent, path.name) if path.suffix == ".json" else (path, _CONFIG)


def load_bundle(path: Path) -> Bundle:
    """Return the bundle in a folder, on the CPU; or that of one configuration (``small.json``) in it.

    Raises:
        BundleError: it is missing, damaged, of another version, or its weights don't fit its configuration.
    """
    folder, _ = _place(path)
    config = check_bundle(path)
    tokenizer, encoder = _text_encoder(folder / config.text.encoder, folder)
    classes = len(config.labels)
    bundle = Bundle(
        config,
        TextEncoder(encoder, classes),
        tokenizer,
        _audio_network(config) if "audio" in config.networks else None,
        _face_network(config) if "face" in config.networks else None,
        M2FNet(config.fusion),
        EmotionExtractor(classes, config.scene.dim) if "scene" in config.networks else None,
    )
    for network_name, network in bundle.networks().items():
        _load_weights(network, [folder / file for file in config.weight_files(network_name)])
        network.eval().requires_grad_(False)
    return bundle


def _text_encoder(source: Path, folder: Path) -> "tuple[PreTrainedTokenizerBase, PreTrainedModel]":
    from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: PLC0415 - takes seconds, a check needs it not

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source, local_files_only=True)
        encoder: PreTrainedModel = AutoModel.from_config(  # type: ignore[no-untyped-call]  # transformers' own
            AutoConfig.from_pretrained(source, local_files_only=True)
        ).float()
    except (OSError, ValueError, KeyError) as error:
        message = f"the text encoder in {source} can't be built ({error}): {_repair(folder)}"
        raise BundleError(message) from error
    return tokenizer, encoder


def _face_network(config: BundleConfig) -> EmotionExtractor:
    face = config.face
    return EmotionExtractor(len(config.labels), face.dim, size=face.size, backbone=face.backbone)


def _audio_network(config: BundleConfig) -> EmotionExtractor | VoiceExtractor:
    if config.audio.kind == "whisper":
        return VoiceExtractor.untrained(len(config.labels), config.audio.dim, baseline=config.audio.baseline)
    return EmotionExtractor(len(config.labels), config.audio.dim)


def save_bundle(
    folder: Path,
    bundle: Bundle,
    card: str,
    precision: Precision = "float16",
    max_file_bytes: int = MAX_FILE_BYTES,
) -> BundleConfig:
    """Write a bundle whole or not at all, in the place of the one that may be there.

    Args:
        folder: made with its parents.
        bundle: ``config.networks``, ``weights`` and ``files`` are ignored; the networks are left as they are.
        card: the text of MODEL_CARD.md.
        precision: of the stored matrices; int8 halves the files once more.
        max_file_bytes: no file may be larger.

    Returns:
        the configuration as written, with the hashes.

    Raises:
        BundleError: a file is too large, a weight is not finite in the precision, or what was written
            can't be loaded back.
        FileError: the disk is full, the folder can't be written, or it holds something else than a bundle.
    """
    require_place(folder)
    place = Path(os.path.realpath(folder))
    with told_of(folder), tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as temporary:
        fresh = Path(temporary) / "fresh"  # not the temporary folder itself, which only its owner may read
        fresh.mkdir()
        config = _write(fresh, bundle, card, precision, max_file_bytes)
        _check_sizes(fresh, max_file_bytes)
        load_bundle(fresh)
        _put_in_place(fresh, place, Path(temporary) / "replaced")
    return config


def _put_in_place(fresh: Path, place: Path, replaced: Path) -> None:
    """Put a folder in the place of another, which stays there if that fails."""
    if place.exists():
        place.rename(replaced)
    try:
        fresh.rename(place)
    except BaseException:
        if replaced.exists():
            replaced.rename(place)
        raise


def require_place(folder: Path, work: Path | None = None) -> None:
    """Refuse at once a folder that a bundle could not be written to in the end; only its parents are made.

    Args:
        folder: where the bundle is to be.
        work: a folder that is written to before, if any.

    Raises:
        FileError: it can't be written, or holds something else than one bundle, which would be lost.
    """
    if work is not None and Path(os.path.realpath(work)).is_relative_to(os.path.realpath(folder)):
        message = f"{work} lies in {folder}, which holds nothing but the bundle; name another folder for one of them"
        raise FileError(message)
    require_folder(folder.parent)
    if folder.exists() and not folder.is_dir():
        message = f"{folder} can't be written: it is not a folder; give the name of one"
        raise FileError(message)
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        lost = set(_file_names(folder)) - set(_read_config(folder).files)
    except BundleError:
        lost = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if lost:
        message = f"{folder} holds {_listed(lost)}, which a bundle would replace; name a new folder, or one of a bundle"
        raise FileError(message)


def write_card(folder: Path, card: str) -> None:
    """Put another model card into a bundle; its weights stay as they are.

    Raises:
        BundleError: there is no bundle.
        FileError: it can't be written.
    """
    config = _read_config(folder)
    write_whole(folder / _CARD, card)
    files = {**config.files, _CARD: _sha256(folder / _CARD)}
    text = config.model_copy(update={"files": files}).model_dump_json(indent=2)
    write_whole(folder / _CONFIG, text + "\n")


def _write(folder: Path, bundle: Bundle, card: str, precision: Precision, limit: int) -> BundleConfig:
    networks = bundle.networks()
    weights = {
        name: tuple(save_sharded(_packed(name, network, precision), folder, name, limit - _HEADER_BYTES))
        for name, network in networks.items()
    }
    bundle.text.encoder.config.save_pretrained(folder / _ENCODER)
    bundle.tokenizer.save_pretrained(folder / _ENCODER)
    (folder / _CARD).write_text(card, encoding="utf-8")
    text = bundle.config.text.model_copy(update={"encoder": _ENCODER})
    hashes = {name: _sha256(folder / name) for name in sorted(_file_names(folder))}
    config = bundle.config.model_copy(
        update={
            "format_version": FORMAT_VERSION,
            "networks": tuple(networks),
            "text": text,
            "weights": weights,
            "files": hashes,
        }
    )
    (folder / _CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return config


def _packed(name: str, network: nn.Module, precision: Precision) -> dict[str, Tensor]:
    try:
        return pack({key: tensor.cpu() for key, tensor in network.state_dict().items()}, precision)
    except WeightError as error:
        message = f"{name} has {error}: train it again"
        raise BundleError(message) from error


def _read_config(folder: Path, name: str = _CONFIG) -> BundleConfig:
    path = folder / name
    if not path.is_file():
        message = f"no bundle in {folder}: train one with `m2fnet train starter`, or name a folder that has {name}"
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
        message = f"{path} is not a bundle's configuration ({_reasons(error)}): {_repair(folder)}"
        raise BundleError(message) from error


def _reasons(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{problem.field or 'config'}: {problem.why}" for problem in problems_of(error))


def _check_files(folder: Path, config: BundleConfig) -> None:
    present, hashes = set(_file_names(folder)), config.files
    needed = {file for name in config.networks for file in config.weight_files(name)} | set(hashes)
    if missing := needed - present:
        message = f"{folder} lacks {_listed(missing)}: {_repair(folder)}"
        raise BundleError(message)
    if unknown := present - set(hashes) - _of_others(folder):
        message = f"{folder} holds {_listed(unknown)}, which {_CONFIG} does not list: remove it, or {_repair(folder)}"
        raise BundleError(message)
    if damaged := [name for name, digest in hashes.items() if _sha256(folder / name) != digest]:
        message = f"{_listed(damaged)} in {folder} differs from what was saved (SHA-256): {_repair(folder)}"
        raise BundleError(message)


def _of_others(folder: Path) -> set[str]:
    """Return the files that belong to the folder's other bundles, their configurations included."""
    configs = {path.name for path in folder.glob("*.json")}
    return configs.union(*(_read_config(folder, name).files for name in configs))


def _check_sizes(folder: Path, limit: int) -> None:
    large = [name for name in _file_names(folder) if (folder / name).stat().st_size > limit]
    if large:
        message = f"{_listed(large)} would exceed {limit:,} bytes: take a smaller encoder, or raise max_file_bytes"
        raise BundleError(message)


def _load_weights(network: nn.Module, paths: list[Path]) -> None:
    folder = paths[0].parent
    try:
        stored = load_sharded(paths)
    except WeightError as error:
        message = f"{error}: {_repair(folder)}"
        raise BundleError(message) from error
    wanted = network.state_dict()
    problems = [*_name_problems(wanted, stored), *_shape_problems(wanted, stored)]
    if problems:
        named = " and ".join(map(str, paths))
        message = f"{named} does not fit its configuration: {'; '.join(problems)}. {_repair(folder).capitalize()}"
        raise BundleError(message)
    with torch.no_grad():
        network.load_state_dict(stored)


def _name_problems(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> Iterator[str]:
    if missing := set(wanted) - set(stored):
        yield f"it lacks {_listed(missing)}"
    if unknown := set(stored) - set(wanted):
        yield f"it holds unknown {_listed(unknown)}"


def _shape_problems(wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]) -> list[str]:
    both = [name for name in wanted if name in stored and wanted[name].shape != stored[name].shape]
    return [f"{name} is {list(stored[name].shape)}, not {list(wanted[name].shape)}" for name in both[:_SHOWN]]


def _file_names(folder: Path) -> Iterator[str]:
    """Yield the bundle's files but its configuration, with forward slashes; hidden ones belong to the system."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != _CONFIG and not path.name.startswith("."):
            yield name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _repair(folder: Path) -> str:
    return f"copy the bundle again, restore it with `git checkout -- {folder}`, or train it again"
