"""Networks that look at one utterance at a time."""

from torch import Tensor, nn

from baselines.inputs import ConcatenatedInput
from models.dialog_window import FusionConfig
from models.networks.fusion import DialogBatch


class _FeedForward(nn.Module):
    """A classifier of what each utterance has.

    Shape:
        inputs as :class:`~models.networks.fusion.DialogBatch` names them; output ``(batch, utterances, classes)``.
    """

    input: ConcatenatedInput
    classifier: nn.Module

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of every utterance."""
        logits: Tensor = self.classifier(self.input(DialogBatch(*inputs)))
        return logits


class TextLinear(_FeedForward):
    """A linear layer on the text embedding."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.input = ConcatenatedInput(config, ["text"])
        self.classifier = nn.Linear(self.input.dim, config.classes)


class ConcatenationMlp(_FeedForward):
    """A perceptron of one hidden layer on the concatenation of all embeddings: M2FNet's last two layers alone."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.input = ConcatenatedInput(config)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(self.input.dim, config.text_dim),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.text_dim, config.classes),
        )
