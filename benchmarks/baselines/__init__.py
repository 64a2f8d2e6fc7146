"""What M2FNet is compared with: other networks over dialogs, trained by the same stage on the same features.

=================  ============================================================================================
``majority``       always the most frequent emotion of the training data; learns nothing else
``text_linear``    a linear layer on the text embedding
``concatenation``  a perceptron on all embeddings of one utterance, without the dialog
``bc_lstm``        Poria et al., Context-Dependent Sentiment Analysis in User-Generated Videos, ACL 2017
``dialogue_rnn``   Majumder et al., DialogueRNN: An Attentive RNN for Emotion Detection in Conversations, AAAI 2019
=================  ============================================================================================

The recurrent ones read a dialog in both directions, or where ``FusionConfig.causal`` is set from its start only.
"""

from collections.abc import Mapping
from typing import Final, Literal

from baselines.bc_lstm import BcLstm
from baselines.dialogue_rnn import DialogueRnn
from baselines.feed_forward import ConcatenationMlp, TextLinear
from baselines.majority import majority_predictions
from trainer.dialogs.features import collate_spoken
from trainer.stages.fusion import NetworkKind

__all__ = [
    "BASELINES",
    "BaselineName",
    "BcLstm",
    "ConcatenationMlp",
    "DialogueRnn",
    "TextLinear",
    "majority_predictions",
]

BaselineName = Literal["text_linear", "concatenation", "bc_lstm", "dialogue_rnn"]

BASELINES: Final[Mapping[BaselineName, NetworkKind]] = {
    "text_linear": NetworkKind(TextLinear),
    "concatenation": NetworkKind(ConcatenationMlp),
    "bc_lstm": NetworkKind(BcLstm),
    "dialogue_rnn": NetworkKind(DialogueRnn, collate_spoken),
}
"""The networks that :class:`~trainer.stages.fusion.FusionStage` trains in M2FNet's place."""
