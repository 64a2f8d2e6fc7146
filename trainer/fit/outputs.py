"""What a trained branch says of a set of examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BranchOutput:
    """Embeddings ``(n, dim)`` and logits ``(n, classes)``."""

    embeddings: Floats
    logits: Floats

    @staticmethod
    def gather(outputs: Sequence[tuple[Tensor, Tensor]]) -> "BranchOutput":
        """Join the outputs of consecutive batches."""
        embeddings, logits = zip(*outputs, strict=True)
        return BranchOutput(*(torch.cat(parts).float().cpu().numpy() for parts in (embeddings, logits)))

    def scattered(self, order: Sequence[int]) -> "BranchOutput":
        """Undo an ordering: row ``i`` of this goes to row ``order[i]``."""
        inverse = np.argsort(np.asarray(order))
        return BranchOutput(self.embeddings[inverse], self.logits[inverse])
