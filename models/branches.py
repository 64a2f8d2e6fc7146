"""What the branches of a bundle may be, told without their networks."""

from typing import Final, Literal

Backbone = Literal["resnet18", "mobilenet_v1_faces"]
"""Of a face: the paper's, or MobileNet pretrained on faces."""

EMBEDDING_DIM: Final = 300
"""The width of a voice's, a face's and a scene's embedding: the paper's linear projector (section 3.2)."""

SPEAKER_DIM: Final = 256
"""The width of a speaker's embedding: that of GE2E."""
