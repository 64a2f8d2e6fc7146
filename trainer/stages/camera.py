"""What cameras do to faces, for training: exposure, softness, small faces, noise and the blocks of JPEG."""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Faces = npt.NDArray[np.uint8]
Face = npt.NDArray[np.uint8]

_HIGHEST: Final = 255
_SOME: Final = 0.5
_FEW: Final = 0.25
_SMALLEST: Final = 16  # pixels a side


def as_cameras_see(faces: Faces, generator: np.random.Generator) -> Faces:
    """Return faces ``(n, side, side)``, each changed in some ways and not in others."""
    return np.stack([_seen(face, generator) for face in faces])


def _seen(face: Face, generator: np.random.Generator) -> Face:
    if generator.random() < _SOME:
        face = _exposed(face, generator)
    if generator.random() < _FEW:
        face = _far(face, int(generator.integers(_SMALLEST, len(face))))
    if generator.random() < _FEW:
        face = cv2.GaussianBlur(face, (0, 0), float(generator.uniform(0.4, 1.2))).astype(np.uint8, copy=False)
    if generator.random() < _FEW:
        noise = generator.normal(0, generator.uniform(2, 12), face.shape)
        face = np.clip(face + noise, 0, _HIGHEST).astype(np.uint8)
    return _coded(face, int(generator.integers(30, 95))) if generator.random() < _FEW else face


def _exposed(face: Face, generator: np.random.Generator) -> Face:
    """Return a face of another gamma and level, cut off where the sensor would be."""
    gamma, gain, offset = np.exp(generator.uniform(-0.5, 0.5)), generator.uniform(0.7, 1.4), generator.uniform(-40, 40)
    levels = np.linspace(0, 1, _HIGHEST + 1) ** gamma * _HIGHEST * gain + offset
    table: Face = np.clip(levels, 0, _HIGHEST).astype(np.uint8)
    return table[face]


def _far(face: Face, side: int) -> Face:
    """Return a face as if it had been only ``side`` pixels wide."""
    small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, face.shape, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _coded(face: Face, quality: int) -> Face:
    """Return a face that has been through JPEG."""
    _, coded = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
