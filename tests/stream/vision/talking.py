"""Sounds whose loudness is known, and mouths that move as they do, or do not; drawn, too."""

from collections.abc import Sequence

import cv2
import numpy as np

from models.media.geometry import Box
from stream.media import SAMPLE_RATE, AudioChunk, Image
from stream.vision.mouth_motion import MouthMotion

STEP_MS = 40.0
FACE = 128  # pixels a side of a drawn one


def syllables(seed: int, seconds: float = 8.0) -> np.ndarray:
    """Return how wide a mouth is open every 10 ms, 0 to 1: syllables of uneven length and strength."""
    random, count = np.random.default_rng(seed), round(seconds * 100)
    opening = np.zeros(count)
    place = int(random.integers(0, 10))
    while place < count:
        length = int(random.integers(10, 30))
        shape = np.sin(np.linspace(0, np.pi, length)) * random.uniform(0.3, 1.0)
        opening[place : place + length] = shape[: count - place]
        place += length + int(random.integers(0, 12))
    return opening


def voice(opening: np.ndarray, start_ms: float = 0.0) -> AudioChunk:
    """Return a voice, as loud as its mouth is open: harmonics of 120 Hz."""
    time = np.arange(len(opening) * SAMPLE_RATE // 100) / SAMPLE_RATE
    harmonics = sum(np.sin(2 * np.pi * 120 * number * time) / number for number in range(1, 40))
    loudness = np.interp(time * 100, np.arange(len(opening)), 10 ** (2 * (opening - 1)))
    return AudioChunk(start_ms, (0.2 * loudness * harmonics).astype(np.float32))


def mouth(opening: np.ndarray, start_ms: float = 0.0) -> list[MouthMotion]:
    """Return how a mouth that is so far open moves from frame to frame, 25 a second."""
    times = np.arange(0, len(opening) * 10, STEP_MS)
    wide = np.interp(times / 10, np.arange(len(opening)), opening) * 0.05
    moved = np.diff(wide)
    return [
        MouthMotion(float(start_ms + begin), float(start_ms + begin + STEP_MS), float(by), abs(float(by)))
        for begin, by in zip(times, moved, strict=False)
    ]


def still(count: int) -> Sequence[MouthMotion]:
    return [MouthMotion(STEP_MS * place, STEP_MS * (place + 1), 0.0, 0.0) for place in range(count)]


def face_box(place: int) -> Box:
    """Return where the ``place``-th face of a drawn frame is."""
    return Box(FACE * place, 0, FACE * (place + 1), FACE)


def drawn(openings: Sequence[float], shift: tuple[float, float] = (0, 0)) -> Image:
    """Return a frame with a face for each mouth, open 0 to 1, side by side; all moved by ``shift`` pixels."""
    faces = np.concatenate([_drawn_face(opening, seed) for seed, opening in enumerate(openings)], axis=1)
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(faces, move, faces.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return np.repeat(moved[:, :, None], 3, axis=2)


def _drawn_face(opening: float, seed: int) -> np.ndarray:
    """Return a face of noise, of which all below the upper lip goes down as the mouth opens."""
    noise = np.random.default_rng(seed).integers(0, 256, (FACE, FACE), dtype=np.uint8)
    face = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    down = np.interp(np.arange(FACE) / FACE, [0.72, 0.78, 0.92, 1.0], [0, 1, 1, 0]) * opening * 0.06 * FACE
    columns, rows = np.meshgrid(np.arange(FACE, dtype=np.float32), np.arange(FACE, dtype=np.float32))
    return cv2.remap(face, columns, rows - down[:, None].astype(np.float32), cv2.INTER_LINEAR)
