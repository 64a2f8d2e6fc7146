"""MTCNN's three networks, which find faces: a proposal, a refinement and an output network, each on its own.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks" (2016), with the
weights of facenet-pytorch. What goes on between them, the pyramid of the image and the choice among boxes, is
:mod:`models.faces`.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, get_args

from facenet_pytorch import MTCNN
from torch import Tensor, nn

DetectionName = Literal["pnet", "rnet", "onet"]
DETECTION: Final[tuple[DetectionName, ...]] = get_args(DetectionName)

DetectionNetworks = Mapping[DetectionName, Callable[[Tensor], tuple[Tensor, ...]]]
"""What computes each network: ``(batch, 3, height, width)`` in, its outputs in the order it has them."""


def detection_networks() -> dict[DetectionName, nn.Module]:
    """Return the networks, in eval mode on the CPU; they take images of 12 pixels a side at least, 24 and 48."""
    whole = MTCNN(device="cpu")
    return {name: getattr(whole, name).eval() for name in DETECTION}
