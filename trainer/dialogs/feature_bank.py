"""Embeddings of real voices and faces by emotion, from which the fusion's training draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.labels import LABELS
from trainer.fit.metrics import Ints

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FeatureBank:
    """Embeddings ``(n, views, dim)`` of clips or faces; a view is the same one, augmented.

    ``rows`` lists for each label the groups (corpora, say) of its examples: a group is drawn first, so that
    the largest corpus does not stand for the emotion.
    """

    views: Floats
    rows: tuple[tuple[Ints, ...], ...]

    @staticmethod
    def of(views: Floats, labels: Ints, groups: Sequence[str]) -> "FeatureBank":
        """Index the examples by label and group.

        Raises:
            ValueError: a label has no example.
        """
        names = np.array(groups)
        rows = tuple(
            tuple(np.flatnonzero((labels == label) & (names == name)) for name in sorted(set(names[labels == label])))
            for label in range(len(LABELS))
        )
        missing = [LABELS[label] for label, found in enumerate(rows) if not found]
        if missing:
            message = f"no example of {', '.join(missing)}"
            raise ValueError(message)
        return FeatureBank(views, rows)

    @property
    def dim(self) -> int:
        """Return the width of an embedding."""
        return int(self.views.shape[-1])

    def draw(self, label: int, generator: np.random.Generator) -> Floats:
        """Return ``(dim,)``: one view of an example of the label."""
        example = self.views[self._example(label, generator)]
        view: Floats = example[generator.integers(len(example))]
        return view

    def draw_over_frames(self, label: int, generator: np.random.Generator) -> Floats:
        """Return ``(dim,)``: the maximum over some views of one face, as over the images of an utterance."""
        example = self.views[self._example(label, generator)]
        chosen = generator.permutation(len(example))[: generator.integers(1, len(example) + 1)]
        strongest: Floats = example[chosen].max(axis=0)
        return strongest

    def _example(self, label: int, generator: np.random.Generator) -> int:
        groups = self.rows[label]
        group = groups[generator.integers(len(groups))]
        return int(group[generator.integers(len(group))])
