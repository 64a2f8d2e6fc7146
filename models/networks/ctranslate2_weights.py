"""Reading the weights of a CTranslate2 model: the offline speech model's encoder serves the voice branch too."""

import struct
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import torch
from torch import Tensor

_VERSION: Final = 6  # of the binary format, in use since CTranslate2 1.18
_TYPES: Final = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


class WeightsError(Exception):
    """A model file can't be read; the message says why."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the variables of a ``model.bin`` by name, in the precision they are stored in.

    Raises:
        WeightsError: the file is cut short, of another version or holds a type that torch lacks.
    """
    try:
        with path.open("rb") as file:
            version = _number(file, "I")
            if version != _VERSION:
                message = f"{path} is in version {version} of CTranslate2's format, not {_VERSION}: convert it again"
                raise WeightsError(message)
            _text(file)
            _number(file, "I")  # the revision of the specification
            return dict(_variable(file) for _ in range(_number(file, "I")))
    except (struct.error, ValueError, KeyError) as error:
        message = f"{path} is not a whole CTranslate2 model ({error}): copy it again"
        raise WeightsError(message) from error


def _variable(file: BinaryIO) -> tuple[str, Tensor]:
    name = _text(file)
    shape = [_number(file, "I") for _ in range(_number(file, "B"))]
    kind = _TYPES[_number(file, "B")]
    array = np.frombuffer(file.read(_number(file, "I")), kind).reshape(shape)
    return name, torch.from_numpy(array.copy())


def _number(file: BinaryIO, code: str) -> int:
    layout = struct.Struct(f"<{code}")
    return int(layout.unpack(file.read(layout.size))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()
