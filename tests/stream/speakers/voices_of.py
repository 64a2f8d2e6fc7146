"""Made-up voices: directions in space, with some noise about each."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DIM = 24


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def embeddings(whose: list[int], seed: int = 0, noise: float = 0.08) -> Floats:
    """Return an embedding of each window, given whose it is: those of one are alike (cosine about .87), others not."""
    generator = np.random.default_rng(seed)
    return unit(np.eye(DIM)[whose] + noise * generator.standard_normal((len(whose), DIM)))
