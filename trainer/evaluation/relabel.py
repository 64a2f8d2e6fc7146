"""A corpus's labels as a bundle numbers them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainer.data.conversation import Conversations
from trainer.evaluation.scores import EvaluationError
from trainer.fit.metrics import Ints


def relabelled(truth: Ints, classes: Sequence[str], labels: Sequence[str], corpus: str) -> Ints:
    """Return the same labels as indices of a bundle's.

    Args:
        truth: ``(n,)``, indices of ``classes``.
        classes: what the corpus calls its labels.
        labels: what the bundle calls its own.
        corpus: its name, for the error.

    Raises:
        EvaluationError: a label occurs that the bundle does not know.
    """
    unknown = sorted({classes[index] for index in set(truth.tolist())} - set(labels))
    if unknown:
        message = (
            f"{corpus} has {', '.join(unknown)}, which the bundle does not know (it has {', '.join(labels)}): "
            "take a bundle that was trained on these labels"
        )
        raise EvaluationError(message)
    places = [labels.index(name) if name in labels else -1 for name in classes]
    return np.array(places, np.int64)[truth]


def relabelled_conversations(conversations: Conversations, labels: Sequence[str]) -> Conversations:
    """Return conversations with a bundle's label indices.

    Raises:
        EvaluationError: a label occurs that the bundle does not know.
    """
    truth = np.array([item.label for item in conversations.utterances], np.int64)
    fresh = iter(relabelled(truth, conversations.labels, labels, conversations.corpus).tolist())
    dialogs = tuple(tuple(replace(item, label=next(fresh)) for item in dialog) for dialog in conversations.dialogs)
    return replace(conversations, labels=tuple(labels), dialogs=dialogs)
