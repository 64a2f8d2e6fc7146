"""Networks that look at one utterance at a time."""

from torch import Tensor, nn

from baselines.inputs import ConcatenatedInput
from models.networks.fusion import DialogBatch, FusionConfig


class TextLinear(nn.Module):
    """A linear layer on the text embedding.

    Shape:
        inputs as :class:`~models.networks.fusion.DialogBatch` names them; output ``(batch, utterances, classes)``.
    """

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.input = ConcatenatedInput(config, ["text"])
        self.classifier = nn.Linear(self.input.dim, config.classes)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of every utterance."""
        logits: Tensor = self.classifier(self.input(DialogBatch(*inputs)))
        return logits


class ConcatenationMlp(nn.Module):
    """A perceptron of one hidden layer on the concatenation of all embeddings: M2FNet's last two layers alone.

    Shape:
        inputs as :class:`~models.networks.fusion.DialogBatch` names them; output ``(batch, utterances, classes)``.
    """

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

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of every utterance."""
        logits: Tensor = self.classifier(self.input(DialogBatch(*inputs)))
        return logits
