"""A trained bundle with its networks in torch, read and written; :mod:`models.bundle_config` has its layout."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.bundle_config import (
    CONFIG,
    FORMAT_VERSION,
    NETWORKS,
    SHOWN,
    BundleConfig,
    BundleError,
    NetworkName,
    SpeakerPart,
    check_bundle,
    file_names,
    listed,
    read_config,
    repair,
    sha256_of,
)
from models.files.whole_file import FileError, require_folder, told_of, write_whole
from models.networks.extractor import EmotionExtractor
from models.networks.fusion import M2FNet
from models.networks.speaker_encoder import SpeakerEncoder
from models.networks.speech_encoder import VoiceExtractor, learned_baseline
from models.networks.text import TextEncoder
from models.networks.weights import Precision, WeightError, load_sharded, pack, save_sharded
from models.speaker_baseline import BaselineReference
from models.text_input import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_FILE_BYTES: Final = 95_000_000  # what code hosts refuse begins at 100 MB
_CARD: Final = "MODEL_CARD.md"
_ENCODER: Final = "encoder"
_HALVED: Final[frozenset[NetworkName]] = frozenset(
    {"speaker"}
)  # what 8 bits round a recurrent network adds to at each step
_HEADER_BYTES: Final = 200_000  # what names and shapes take in a file of weights, at most


@dataclass(frozen=True, eq=False)
class Bundle:
    """The networks of a bundle, in eval mode and float32 when loaded."""

    config: BundleConfig
    text: TextEncoder
    tokenizer: Tokenizer
    audio: EmotionExtractor | VoiceExtractor | None
    face: EmotionExtractor | None
    fusion: M2FNet
    scene: EmotionExtractor | None = None
    speaker: SpeakerEncoder | None = None

    def networks(self) -> dict[NetworkName, nn.Module]:
        """Return the networks there are, by name."""
        return {name: network for name in NETWORKS if (network := getattr(self, name)) is not None}

    def reference(self) -> BaselineReference | None:
        """Return what the voice branch knows of all speakers together; None: nothing of baselines."""
        known = learned_baseline(self.audio)
        return None if known is None else known.reference()


def load_bundle(folder: Path) -> Bundle:
    """Return the bundle in a folder, on the CPU.

    Raises:
        BundleError: it is missing, damaged, of another version, or its weights don't fit its configuration.
    """
    config = check_bundle(folder)
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
        SpeakerEncoder(config.speaker.dim) if "speaker" in config.networks else None,
    )
    for network_name, network in bundle.networks().items():
        _load_weights(network, [folder / file for file in config.weight_files(network_name)])
        network.eval().requires_grad_(False)
    return bundle


def _text_encoder(source: Path, folder: Path) -> "tuple[Tokenizer, PreTrainedModel]":
    from transformers import AutoConfig, AutoModel  # noqa: PLC0415 - takes seconds, what writes a bundle needs it not

    try:
        tokenizer = Tokenizer.read(source)
        encoder: PreTrainedModel = AutoModel.from_config(  # type: ignore[no-untyped-call]  # transformers' own
            AutoConfig.from_pretrained(source, local_files_only=True)
        ).float()
    except (OSError, ValueError, KeyError) as error:
        message = f"the text encoder in {source} can't be built ({error}): {repair(folder)}"
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
        precision: of the stored matrices; int8 halves the files once more, but that of the speaker encoder.
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
        lost = set(file_names(folder)) - set(read_config(folder).files)
    except BundleError:
        lost = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if lost:
        message = f"{folder} holds {listed(lost)}, which a bundle would replace; name a new folder, or one of a bundle"
        raise FileError(message)


def write_card(folder: Path, card: str) -> None:
    """Put another model card into a bundle; its weights stay as they are.

    Raises:
        BundleError: there is no bundle.
        FileError: it can't be written.
    """
    config = read_config(folder)
    write_whole(folder / _CARD, card)
    files = {**config.files, _CARD: sha256_of(folder / _CARD)}
    text = config.model_copy(update={"files": files}).model_dump_json(indent=2)
    write_whole(folder / CONFIG, text + "\n")


def write_speaker_encoder(folder: Path, encoder: SpeakerEncoder, stem: str = "speakers") -> tuple[str, ...]:
    """Put a speaker encoder into a bundle, in the place of the one it may have; its other networks stay as they are.

    Args:
        folder: of the bundle.
        encoder: is left as it is.
        stem: what the names of its files begin with.

    Returns:
        the names of its files.

    Raises:
        BundleError: there is no bundle, or the weights are not finite in half precision.
        FileError: it can't be written.
    """
    config, packed = read_config(folder), _packed("speaker", encoder, "float16")
    gone = set(config.weight_files("speaker")) if "speaker" in config.networks else set()
    with told_of(folder):
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        names = tuple(save_sharded(packed, folder, stem, MAX_FILE_BYTES - _HEADER_BYTES))
    hashes = {name: digest for name, digest in config.files.items() if name not in gone}
    hashes |= {name: sha256_of(folder / name) for name in names}
    changed = config.model_copy(
        update={
            "format_version": FORMAT_VERSION,
            "networks": (*(name for name in config.networks if name != "speaker"), "speaker"),
            "speaker": SpeakerPart(dim=encoder.projector.out_features),
            "weights": {**config.weights, "speaker": names},
            "files": dict(sorted(hashes.items())),
        }
    )
    write_whole(folder / CONFIG, changed.model_dump_json(indent=2) + "\n")
    return names


def _write(folder: Path, bundle: Bundle, card: str, precision: Precision, limit: int) -> BundleConfig:
    networks = bundle.networks()
    weights = {
        name: tuple(save_sharded(_packed(name, network, precision), folder, name, limit - _HEADER_BYTES))
        for name, network in networks.items()
    }
    bundle.text.encoder.config.save_pretrained(folder / _ENCODER)
    bundle.tokenizer.save(folder / _ENCODER)
    (folder / _CARD).write_text(card, encoding="utf-8")
    text = bundle.config.text.model_copy(update={"encoder": _ENCODER})
    hashes = {name: sha256_of(folder / name) for name in sorted(file_names(folder))}
    config = bundle.config.model_copy(
        update={
            "format_version": FORMAT_VERSION,
            "networks": tuple(networks),
            "text": text,
            "weights": weights,
            "files": hashes,
        }
    )
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return config


def _packed(name: NetworkName, network: nn.Module, precision: Precision) -> dict[str, npt.NDArray[Any]]:
    weights = {key: tensor.cpu().numpy() for key, tensor in network.state_dict().items()}
    try:
        return pack(weights, "float16" if name in _HALVED else precision)
    except WeightError as error:
        message = f"{name} has {error}: train it again"
        raise BundleError(message) from error


def _check_sizes(folder: Path, limit: int) -> None:
    large = [name for name in file_names(folder) if (folder / name).stat().st_size > limit]
    if large:
        message = f"{listed(large)} would exceed {limit:,} bytes: take a smaller encoder, or raise max_file_bytes"
        raise BundleError(message)


def _load_weights(network: nn.Module, paths: list[Path]) -> None:
    folder = paths[0].parent
    try:
        stored = load_sharded(paths)
    except WeightError as error:
        message = f"{error}: {repair(folder)}"
        raise BundleError(message) from error
    wanted = network.state_dict()
    problems = [*_name_problems(wanted, stored), *_shape_problems(wanted, stored)]
    if problems:
        named = " and ".join(map(str, paths))
        message = f"{named} does not fit its configuration: {'; '.join(problems)}. {repair(folder).capitalize()}"
        raise BundleError(message)
    with torch.no_grad():
        network.load_state_dict({name: torch.from_numpy(array) for name, array in stored.items()})


def _name_problems(wanted: Mapping[str, Tensor], stored: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    if missing := set(wanted) - set(stored):
        yield f"it lacks {listed(missing)}"
    if unknown := set(stored) - set(wanted):
        yield f"it holds unknown {listed(unknown)}"


def _shape_problems(wanted: Mapping[str, Tensor], stored: Mapping[str, npt.NDArray[Any]]) -> list[str]:
    both = [name for name in wanted if name in stored and tuple(wanted[name].shape) != stored[name].shape]
    return [f"{name} is {list(stored[name].shape)}, not {list(wanted[name].shape)}" for name in both[:SHOWN]]
