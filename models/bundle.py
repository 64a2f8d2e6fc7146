"""A trained bundle: a folder with everything inference needs, checked whole before it is used.

::

    config.json            BundleConfig: labels, context format, dimensions, temperatures, SHA-256 of the rest
    text.safetensors       matrices in half precision, vectors (biases, normalisations) in float32
    audio.safetensors
    face.safetensors
    fusion.safetensors
    encoder/               the text encoder's configuration and its tokenizer, no weights
    MODEL_CARD.md
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerBase

from models.extractor import EMBEDDING_DIM, EmotionExtractor
from models.fusion import FusionConfig, M2FNet
from models.text import MAX_TOKENS, ContextFormat, TextEncoder

FORMAT_VERSION: Final = 1
STARTER: Final = Path(__file__).parent / "bundles" / "starter"
MAX_FILE_BYTES: Final = 95_000_000  # what code hosts refuse begins at 100 MB
_CONFIG: Final = "config.json"
_CARD: Final = "MODEL_CARD.md"
_ENCODER: Final = "encoder"
_SHOWN: Final = 3  # names listed in a message before "and n more"

NetworkName = Literal["text", "audio", "face", "fusion"]
NETWORKS: Final[tuple[NetworkName, ...]] = get_args(NetworkName)
Temperature = Annotated[float, Field(gt=0)]


class BundleError(Exception):
    """A bundle can't be read or written; the message says what is wrong and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextPart(_Part):
    """How the text branch is fed."""

    dim: PositiveInt
    context: ContextFormat = ContextFormat()
    max_tokens: PositiveInt = MAX_TOKENS


class ExtractorPart(_Part):
    """The width of an audio or face embedding."""

    dim: PositiveInt = EMBEDDING_DIM


class Temperatures(_Part):
    """What logits are divided by before the softmax."""

    text: Temperature = 1.0
    audio: Temperature = 1.0
    face: Temperature = 1.0
    fused: Temperature = 1.0


class BundleConfig(_Part):
    """The contents of config.json; ``files`` is filled in when the bundle is saved."""

    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1)]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    networks: tuple[NetworkName, ...] = NETWORKS
    text: TextPart
    audio: ExtractorPart = ExtractorPart()
    face: ExtractorPart = ExtractorPart()
    fusion: FusionConfig
    temperatures: Temperatures = Temperatures()
    files: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> "BundleConfig":
        missing = set(NETWORKS) - set(self.networks)
        if missing:
            message = f"the bundle lacks {_listed(missing)}; all of {_listed(NETWORKS)} are needed"
            raise ValueError(message)
        fusion = self.fusion
        widths = (fusion.text_dim, fusion.audio_dim, fusion.face_dim, fusion.classes)
        if widths != (self.text.dim, self.audio.dim, self.face.dim, len(self.labels)):
            message = "the fusion's dimensions and classes don't match those of the branches and the labels"
            raise ValueError(message)
        return self


@dataclass(frozen=True, eq=False)
class Bundle:
    """The networks of a bundle, in eval mode and float32 when loaded."""

    config: BundleConfig
    text: TextEncoder
    tokenizer: PreTrainedTokenizerBase
    audio: EmotionExtractor
    face: EmotionExtractor
    fusion: M2FNet

    def networks(self) -> dict[NetworkName, nn.Module]:
        """Return the networks by name."""
        return {"text": self.text, "audio": self.audio, "face": self.face, "fusion": self.fusion}


def load_bundle(folder: Path) -> Bundle:
    """Return the bundle in ``folder``, on the CPU.

    Raises:
        BundleError: it is missing, damaged, of another version, or its weights don't fit its configuration.
    """
    config = _read_config(folder)
    _check_files(folder, config.files)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder / _ENCODER, local_files_only=True)
        encoder = AutoModel.from_config(  # type: ignore[no-untyped-call]  # transformers leaves it unannotated
            AutoConfig.from_pretrained(folder / _ENCODER, local_files_only=True)
        ).float()
    except (OSError, ValueError, KeyError) as error:
        message = f"the text encoder in {folder / _ENCODER} can't be built ({error}): {_repair(folder)}"
        raise BundleError(message) from error
    classes = len(config.labels)
    bundle = Bundle(
        config,
        TextEncoder(encoder, classes),
        tokenizer,
        EmotionExtractor(classes, config.audio.dim),
        EmotionExtractor(classes, config.face.dim),
        M2FNet(config.fusion),
    )
    for name, network in bundle.networks().items():
        _load_weights(network, folder / f"{name}.safetensors")
        network.eval().requires_grad_(False)
    return bundle


def save_bundle(folder: Path, bundle: Bundle, card: str, max_file_bytes: int = MAX_FILE_BYTES) -> BundleConfig:
    """Write a bundle whole or not at all, in the place of the one that may be there.

    Args:
        folder: made with its parents.
        bundle: ``config.files`` is ignored; the networks are left as they are.
        card: the text of MODEL_CARD.md.
        max_file_bytes: no file may be larger.

    Returns:
        the configuration as written, with the hashes.

    Raises:
        BundleError: a file is too large, a weight is not finite in half precision, or what was written
            can't be loaded back.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        fresh = Path(temporary) / "fresh"  # not the temporary folder itself, which only its owner may read
        fresh.mkdir()
        config = _write(fresh, bundle, card)
        _check_sizes(fresh, max_file_bytes)
        load_bundle(fresh)
        if folder.exists():
            folder.rename(Path(temporary) / "replaced")
        fresh.rename(folder)
    return config


def _write(folder: Path, bundle: Bundle, card: str) -> BundleConfig:
    for name, network in bundle.networks().items():
        weights = folder / f"{name}.safetensors"
        save_file(_compact(name, network.state_dict()), weights)
        weights.chmod(0o644)  # safetensors leaves them to their owner alone
    bundle.text.encoder.config.save_pretrained(folder / _ENCODER)
    bundle.tokenizer.save_pretrained(folder / _ENCODER)
    (folder / _CARD).write_text(card, encoding="utf-8")
    hashes = {name: _sha256(folder / name) for name in sorted(_file_names(folder))}
    config = bundle.config.model_copy(update={"files": hashes})
    (folder / _CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return config


def _compact(network: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights as stored; vectors cost nothing and hold what half precision is too coarse for."""
    small = {
        name: (tensor.half() if tensor.is_floating_point() and tensor.dim() > 1 else tensor).cpu().contiguous()
        for name, tensor in state.items()
    }
    broken = [name for name, tensor in small.items() if not tensor.isfinite().all()]
    if broken:
        message = f"{network} has weights that are not finite in half precision ({_listed(broken)}): train it again"
        raise BundleError(message)
    return small


def _read_config(folder: Path) -> BundleConfig:
    path = folder / _CONFIG
    if not path.is_file():
        message = f"no bundle in {folder}: train one with `m2fnet train starter`, or name a folder that has {_CONFIG}"
        raise BundleError(message)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        version = raw.get("format_version") if isinstance(raw, dict) else None
        if version != FORMAT_VERSION:
            message = (
                f"{path} has format version {version}, this program reads {FORMAT_VERSION}: "
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
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'config'}: {item['msg']}" for item in error.errors())


def _check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    present = set(_file_names(folder))
    needed = {f"{name}.safetensors" for name in NETWORKS} | set(hashes)
    if missing := needed - present:
        message = f"{folder} lacks {_listed(missing)}: {_repair(folder)}"
        raise BundleError(message)
    if unknown := present - set(hashes):
        message = f"{folder} holds {_listed(unknown)}, which {_CONFIG} does not list: remove it, or {_repair(folder)}"
        raise BundleError(message)
    if damaged := [name for name, digest in hashes.items() if _sha256(folder / name) != digest]:
        message = f"{_listed(damaged)} in {folder} differs from what was saved (SHA-256): {_repair(folder)}"
        raise BundleError(message)


def _check_sizes(folder: Path, limit: int) -> None:
    large = [name for name in _file_names(folder) if (folder / name).stat().st_size > limit]
    if large:
        message = f"{_listed(large)} would exceed {limit:,} bytes: take a smaller encoder, or raise max_file_bytes"
        raise BundleError(message)


def _load_weights(network: nn.Module, path: Path) -> None:
    try:
        stored = load_file(path)
    except SafetensorError as error:
        message = f"{path} is not a safetensors file ({error}): {_repair(path.parent)}"
        raise BundleError(message) from error
    wanted = network.state_dict()
    problems = [*_name_problems(wanted, stored), *_shape_problems(wanted, stored)]
    if problems:
        message = f"{path} does not fit its configuration: {'; '.join(problems)}. {_repair(path.parent).capitalize()}"
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
