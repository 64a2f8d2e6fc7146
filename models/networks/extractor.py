"""The paper's feature extractor (section 3.2): ResNet18, or another backbone, and a linear projector to 300."""

import torch
from torch import Tensor, nn

from models.branches import EMBEDDING_DIM, Backbone
from models.media.face_image import INPUT_SIZE
from models.networks.mobilenet import WIDTH, MobileNetV1


class Extractor(nn.Module):
    """Embed an image, of a face, a scene or a spectrogram, as one vector.

    Shape:
        input ``(batch, 3, height, width)`` in any size of at least 32 x 32; output ``(batch, dim)``.
    """

    def __init__(self, dim: int = EMBEDDING_DIM, dropout: float = 0.0, backbone: Backbone = "resnet18") -> None:
        super().__init__()
        self.backbone, width = (MobileNetV1(), WIDTH) if backbone == "mobilenet_v1_faces" else _resnet18()
        self.dropout = nn.Dropout(dropout)
        self.projector = nn.Linear(width, dim)

    def forward(self, images: Tensor) -> Tensor:
        """Return un-normalised embeddings Z (the variance and covariance losses need their scale)."""
        embedding: Tensor = self.projector(self.dropout(self.backbone(images)))
        return embedding


def _resnet18() -> tuple[nn.Module, int]:
    """Return the network without its classifier, and the width of what it returns."""
    from torchvision.models import resnet18  # noqa: PLC0415 - takes seconds, which a bundle's configuration needs not

    backbone = resnet18(weights=None)
    width = backbone.fc.in_features
    backbone.fc = nn.Identity()
    return backbone, width


class EmotionExtractor(nn.Module):
    """An :class:`Extractor` with a linear emotion head on its embedding.

    The head gives the expression of a single face, or the emotion of a voice alone; the fusion uses the
    embedding.

    Args:
        classes: of the head.
        dim: of the embedding.
        dropout: before the projector.
        size: pixels a side of the faces it is trained on; those of any other size are taken, but seen less well.
        detached_head: the head learns from the embedding but teaches it nothing, which is left to other losses.
        backbone: of the extractor.

    Shape:
        input ``(batch, 3, height, width)``; output embedding ``(batch, dim)`` and logits ``(batch, classes)``.
    """

    def __init__(
        self,
        classes: int,
        dim: int = EMBEDDING_DIM,
        dropout: float = 0.0,
        *,
        size: int = INPUT_SIZE,
        detached_head: bool = False,
        backbone: Backbone = "resnet18",
    ) -> None:
        super().__init__()
        self.extractor = Extractor(dim, dropout, backbone)
        self.head = nn.Linear(dim, classes)
        self.size, self.detached_head, self.backbone = size, detached_head, backbone

    def extra_repr(self) -> str:
        """Return the size: caches are named by what a network says it is."""
        return f"size={self.size}"

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(embedding, logits)``."""
        embedding = self.extractor(images)
        seen = embedding.detach() if self.detached_head else embedding
        return embedding, self.head(torch.relu(seen))
