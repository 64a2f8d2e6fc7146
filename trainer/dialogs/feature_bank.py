"""Embeddings of real words, voices and faces by emotion, from which the fusion's training draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.labels import LABELS
from trainer.dialogs.held_out import HeldOutRates
from trainer.fit.metrics import Ints

Floats = npt.NDArray[np.float32]

Groups = tuple[Ints, ...]


@dataclass(frozen=True, eq=False)
class FeatureBank:
    """Embeddings ``(n, views, dim)`` of utterances, clips or faces; a view is the same one, augmented.

    ``rows`` lists for each label, by what the branch says of them, the groups (corpora, say) of its examples: a group
    is drawn first, so that the largest corpus does not stand for the emotion.

    Attributes:
        rates: how often the branch says what of those it was not trained on, which is how often it is drawn here;
            None: examples are drawn whatever it says.
    """

    views: Floats
    rows: tuple[Mapping[int, Groups], ...]
    rates: HeldOutRates | None = None

    @staticmethod
    def of(
        views: Floats,
        labels: Ints,
        groups: Sequence[str],
        logits: Floats | None = None,
        rates: HeldOutRates | None = None,
    ) -> "FeatureBank":
        """Index the examples by label, what the branch says of them (``logits``, ``(n, labels)``), and group.

        Raises:
            ValueError: a label has no example.
        """
        names = np.array(groups)
        cells = np.zeros(len(labels), np.int64) if logits is None or rates is None else rates.cells(logits)
        rows = tuple(_by_cell(labels == label, cells, names) for label in range(len(LABELS)))
        missing = [LABELS[label] for label, found in enumerate(rows) if not found]
        if missing:
            message = f"no example of {', '.join(missing)}"
            raise ValueError(message)
        return FeatureBank(views, rows, None if logits is None else rates)

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
        by_cell = self.rows[label]
        there = np.array(list(by_cell), np.int64)
        groups = by_cell[int(there[0]) if self.rates is None else self.rates.draw(label, generator, there)]
        group = groups[generator.integers(len(groups))]
        return int(group[generator.integers(len(group))])


def _by_cell(chosen: npt.NDArray[np.bool_], cells: Ints, names: npt.NDArray[np.str_]) -> dict[int, Groups]:
    return {int(cell): _by_group(chosen & (cells == cell), names) for cell in np.unique(cells[chosen])}


def _by_group(chosen: npt.NDArray[np.bool_], names: npt.NDArray[np.str_]) -> Groups:
    return tuple(np.flatnonzero(chosen & (names == name)) for name in sorted(set(names[chosen])))
