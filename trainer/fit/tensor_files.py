"""Files of tensors that are there whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from models.files.whole_file import whole_file


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file whole or not at all.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    with whole_file(path) as partial:
        try:
            save_file(dict(tensors), partial, metadata=dict(metadata or {}))
        except SafetensorError as error:  # how it tells of a full disk
            raise OSError(str(error)) from error
        partial.chmod(0o644)  # safetensors leaves them to their owner alone
